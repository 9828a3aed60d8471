# SET_USERPASS. USERPW: user:password. CRYPTED: yes when the password is a hash.
# The password passes through pipes and variables only: a command line can be seen by everybody.
th_user=${USERPW%%:*}
th_password=${USERPW#*:}

# The smallest systems have no users at all.
[ -d /etc ] || mkdir /etc
if ! [ -e /etc/passwd ]; then
  echo "root:x:0:0:root:/:/bin/sh" > /etc/passwd
  echo "root:*:19000:0:99999:7:::" > /etc/shadow
  chmod 600 /etc/shadow
fi
[ -e /etc/group ] || echo "root:x:0:" > /etc/group

# A new user, also where there is no tool for it.
th_add_user() {
  if [ -x /usr/sbin/useradd ]; then
    /usr/sbin/useradd -m "$1"
    return
  fi
  adduser -D "$1" 2>/dev/null && return 0
  th_id=1000
  while grep -q "^[^:]*:[^:]*:$th_id:" /etc/passwd; do th_id=$((th_id + 1)); done
  echo "$1:x:$th_id:$th_id::/home/$1:/bin/sh" >> /etc/passwd || return 1
  echo "$1:x:$th_id:" >> /etc/group
  mkdir -p "/home/$1" && chown "$th_id:$th_id" "/home/$1"
}

# Puts a hash into /etc/shadow line by line: the fallback for systems without chpasswd.
th_set_hash() {
  [ -n "$2" ] || return 1
  [ -e /etc/shadow ] || { echo "" > /etc/shadow; chmod 600 /etc/shadow; }
  {
    grep -v "^$1:" /etc/shadow
    echo "$1:$2:19000:0:99999:7:::"
  } | th_replace /etc/shadow
}

if ! grep -q "^$th_user:" /etc/passwd; then th_add_user "$th_user" || exit 1; fi
if [ "$CRYPTED" = "yes" ]; then
  printf '%s\n' "$USERPW" | chpasswd -e 2>/dev/null
else
  printf '%s\n' "$USERPW" | chpasswd 2>/dev/null
fi
th_code=$?
[ $th_code -eq 127 ] || exit $th_code
if [ "$CRYPTED" = "yes" ]; then
  th_set_hash "$th_user" "$th_password"
else
  th_set_hash "$th_user" "$(printf '%s\n' "$th_password" | mkpasswd -m sha512 -P 0)"
fi
