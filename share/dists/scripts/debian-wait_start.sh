# WAIT_START: returns when the system inside is up; fails when it is not within two minutes.
th_tries=0
if [ -x /bin/systemctl ] || [ -x /usr/bin/systemctl ]; then
  while [ $th_tries -lt 240 ]; do
    case "$(systemctl is-system-running 2>/dev/null)" in
      running | degraded) exit 0 ;;
      stopping | maintenance) exit 1 ;;
    esac
    sleep 0.5
    th_tries=$((th_tries + 1))
  done
  exit 1
fi
# Another init: it is up once it runs a service.
while [ $th_tries -lt 240 ]; do
  if ps ax | grep -v PID | grep -v init | grep -v sh | grep -v ps | grep -q -v grep; then exit 0; fi
  sleep 0.5
  th_tries=$((th_tries + 1))
done
exit 1
