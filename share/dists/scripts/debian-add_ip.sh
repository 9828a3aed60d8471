# ADD_IP for Debian: keeps a section of /etc/network/interfaces that says what the node configured.
# IP_ADDR: all addresses, separated by blanks. IPDELALL=yes: they replace the earlier ones.
th_file=/etc/network/interfaces
[ -d /etc/network ] || mkdir -p /etc/network || exit 1
[ -e $th_file ] || printf 'auto lo\niface lo inet loopback\n' > $th_file
{
  sed "/^# venet0: set by the node/d" $th_file | grep -v "^auto venet0" | grep -v "^iface venet0"
  echo "# venet0: set by the node, lines like this one are replaced"
  for th_address in $IP_ADDR; do
    echo "# venet0: set by the node, address $th_address"
  done
  echo "auto venet0"
  echo "iface venet0 inet manual"
} | th_replace $th_file
