# SET_USERPASS. USERPW: user:password. CRYPTED: yes when the password is a hash.
# The password passes through a pipe only: a command line can be seen by everybody.
th_user=${USERPW%%:*}
# The smallest systems have no users at all.
[ -d /etc ] || mkdir /etc
[ -e /etc/passwd ] || echo "root:*:0:0:root:/:/bin/sh" > /etc/passwd
[ -e /etc/group ] || echo "root:x:0:" > /etc/group
if ! grep -q "^$th_user:" /etc/passwd; then
  if [ -x /usr/sbin/useradd ]; then
    /usr/sbin/useradd -m "$th_user" || exit 1
  else
    adduser -D "$th_user" || exit 1
  fi
fi
if [ "$CRYPTED" = "yes" ]; then
  printf '%s\n' "$USERPW" | chpasswd -e
else
  printf '%s\n' "$USERPW" | chpasswd
fi
