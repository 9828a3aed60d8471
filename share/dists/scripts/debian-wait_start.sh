# WAIT_START: returns when the system inside is up; fails when it is not within two minutes.
[ -d /run/systemd/system ] || [ -x /bin/systemctl ] || exit 0
th_tries=0
while [ $th_tries -lt 240 ]; do
  case "$(systemctl is-system-running 2>/dev/null)" in
    running | degraded) exit 0 ;;
    stopping | maintenance) exit 1 ;;
  esac
  sleep 0.5
  th_tries=$((th_tries + 1))
done
exit 1
