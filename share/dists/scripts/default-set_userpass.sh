# SET_USERPASS. USERPW: user:password. CRYPTED: yes when the password is a hash.
# The password passes through a pipe only: a command line can be seen by everybody.
th_user=${USERPW%%:*}
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
