# WAIT_START: busybox has no word for "up". It is waited for its first service, but not for long:
# a system without services is up at once.
th_tries=0
while [ $th_tries -lt 10 ]; do
  if ps | grep -v PID | grep -v init | grep -v sh | grep -v ps | grep -q -v grep; then exit 0; fi
  sleep 0.1
  th_tries=$((th_tries + 1))
done
exit 0
