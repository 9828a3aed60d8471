# SET_HOSTNAME. HOSTNM: the name. IP_ADDR: the first address, or nothing.
[ -n "$HOSTNM" ] || exit 0
[ -d /etc ] || mkdir -p /etc
echo "$HOSTNM" > /etc/hostname || exit 1
th_short=${HOSTNM%%.*}
th_names=$HOSTNM
[ "$th_short" = "$HOSTNM" ] || th_names="$HOSTNM $th_short"
[ -e /etc/hosts ] || echo "127.0.0.1 localhost" > /etc/hosts
{
  grep -v "# set by the node\$" /etc/hosts
  echo "${IP_ADDR:-127.0.1.1} $th_names # set by the node"
} | th_replace /etc/hosts || exit 1
if [ "$(hostname)" != "$HOSTNM" ]; then
  hostname "$HOSTNM" 2>/dev/null ||
    th_warn "the running system keeps its host name until it is restarted"
fi
exit 0
