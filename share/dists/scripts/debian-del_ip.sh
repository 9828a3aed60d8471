# DEL_IP for Debian. IP_ADDR: the addresses that went. IPDELALL=yes: none is left.
th_file=/etc/network/interfaces
[ -e $th_file ] || exit 0
if [ "$IPDELALL" = "yes" ]; then
  sed "/^# venet0: set by the node/d" $th_file | grep -v "^auto venet0" | grep -v "^iface venet0" |
    th_replace $th_file
else
  for th_address in $IP_ADDR; do
    grep -v "^# venet0: set by the node, address $th_address\$" $th_file | th_replace $th_file
  done
fi
exit 0
