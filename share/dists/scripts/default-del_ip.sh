# DEL_IP for a system without network files of its own: the node took the addresses off venet0.
# IP_ADDR: the addresses that went, separated by blanks.
if [ -e /etc/hosts ]; then
  for th_address in $IP_ADDR; do
    if grep -q "^$th_address " /etc/hosts; then
      grep -v "^$th_address " /etc/hosts | th_replace /etc/hosts
    fi
  done
fi
exit 0
