# SET_DNS. NAMESERVER, SEARCHDOMAIN: lists separated by blanks; each replaces what was there.
{
  [ -z "$SEARCHDOMAIN" ] || echo "search $SEARCHDOMAIN"
  for th_server in $NAMESERVER; do
    echo "nameserver $th_server"
  done
} > /etc/resolv.conf.th-new || exit 1
# Other settings of the file stay; a link to a resolver's file is replaced.
if [ -f /etc/resolv.conf ]; then
  grep -v "^nameserver" /etc/resolv.conf | grep -v "^search" | grep -v "^domain" >> /etc/resolv.conf.th-new
fi
mv /etc/resolv.conf.th-new /etc/resolv.conf
