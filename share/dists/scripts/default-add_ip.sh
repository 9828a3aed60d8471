# ADD_IP for a system without network files of its own: the node configures venet0, so there is
# only the name's address to keep right.
# IP_ADDR: the addresses, separated by blanks. VE_STATE: starting or running.
if [ -n "$IP_ADDR" ] && [ -e /etc/hosts ]; then
  th_first=${IP_ADDR%% *}
  th_name=$(hostname)
  if [ -n "$th_name" ] && grep -q " $th_name\$" /etc/hosts; then
    { grep -v " $th_name\$" /etc/hosts; echo "$th_first $th_name"; } | th_replace /etc/hosts
  fi
fi
exit 0
