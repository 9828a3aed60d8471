# FROM_MACHINE, run with the copy of a physical server as its root: takes out what was the machine's
# and is the node's now. What is put aside keeps its name with .physical behind it.

th_aside() {
  [ -e "$1" ] || return 0
  mv "$1" "$1.physical" || exit 1
}

# File systems are mounted by the node.
if [ -e /etc/fstab ]; then
  th_aside /etc/fstab
  echo "# Emptied: the node mounts what this system needs. The machine's own is fstab.physical." > /etc/fstab
fi
if [ -f /etc/mtab ] && ! [ -h /etc/mtab ]; then
  rm -f /etc/mtab
  ln -s /proc/mounts /etc/mtab || exit 1
fi

# No terminals: inittab, Upstart, systemd.
if [ -f /etc/inittab ] && grep -q getty /etc/inittab; then
  grep -v getty /etc/inittab | th_replace /etc/inittab || exit 1
fi
for th_job in /etc/init/tty*.conf /etc/init/serial*.conf /etc/init/start-ttys.conf; do
  th_aside "$th_job"
done

# Services of hardware, and of kernel and devices, which are not this system's any more.
for th_service in hwclock hwclock.sh hwclockfirst.sh kudzu gpm smartd smartmontools mdmonitor \
  lvm2-monitor acpid irqbalance microcode_ctl cpuspeed lm_sensors haldaemon udev udev-mtab; do
  for th_link in /etc/rc[0-6S].d/[SK][0-9][0-9]$th_service /etc/rc.d/rc[0-6].d/[SK][0-9][0-9]$th_service; do
    if [ -e "$th_link" ] || [ -h "$th_link" ]; then rm -f "$th_link"; fi
  done
done
if [ -d /lib/systemd ] || [ -d /usr/lib/systemd ]; then
  mkdir -p /etc/systemd/system || exit 1
  for th_unit in getty@.service serial-getty@.service console-getty.service \
    container-getty@.service systemd-udevd.service \
    systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
    systemd-udev-settle.service systemd-modules-load.service hwclock-save.service hwclock.service \
    smartd.service smartmontools.service mdmonitor.service lvm2-monitor.service irqbalance.service \
    acpid.service acpid.socket; do
    rm -rf "/etc/systemd/system/$th_unit"
    ln -s /dev/null "/etc/systemd/system/$th_unit" || exit 1
  done
fi

# Its network devices stay behind; the distribution's own scripts write about venet0.
if [ -d /etc/network ]; then
  th_aside /etc/network/interfaces
  printf 'auto lo\niface lo inet loopback\n' > /etc/network/interfaces
fi
for th_file in /etc/sysconfig/network-scripts/ifcfg-*; do
  [ "$th_file" = /etc/sysconfig/network-scripts/ifcfg-lo ] && continue
  [ -e "$th_file" ] || continue
  mv "$th_file" "/etc/sysconfig/network-scripts/physical.${th_file##*/}" || exit 1
done
for th_file in /etc/netplan/*.yaml /etc/systemd/network/*.network /etc/udev/rules.d/70-persistent-net.rules; do
  th_aside "$th_file"
done

# No SELinux in containers; no kernel, so no modules of it.
if [ -f /etc/selinux/config ] && ! [ -h /etc/selinux/config ]; then
  sed "s/^SELINUX=.*/SELINUX=disabled/" /etc/selinux/config | th_replace /etc/selinux/config
fi
if [ -d /lib/modules ]; then
  for th_file in /lib/modules/*; do
    [ -e "$th_file" ] || continue
    rm -rf "$th_file" || exit 1
  done
fi
sync
exit 0
