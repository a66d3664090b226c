#!/usr/bin/env bash
# Collect what an environment needs to run into an empty root: rootfs.sh TARGET VENV. No /bin, so no shell.
set -euo pipefail
target=$1 venv=$2
python=$(readlink -f "$venv/bin/python")
prefix=$("$venv/bin/python" -c 'import sys; print(sys.base_prefix)')
stdlib=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')

# Every shared library that the interpreter and the extension modules name, and the loader itself.
libraries() {
    { echo "$python"; find "$stdlib" "$venv" -name '*.so*' -type f; } | xargs --delimiter='\n' ldd 2>/dev/null |
        awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/.*[^:]$/ { print $1 }' | sort -u
}

mkdir -p "$target"/{etc,tmp,usr/lib,etc/edgeproxy}
chmod 1777 "$target/tmp"
for link in lib lib64; do
    # Debian's links into /usr, kept as links.
    if [ -L "/$link" ]; then cp --archive "/$link" "$target/$link" && mkdir -p "$target/usr/$link"; fi
done
libraries | while read -r library; do
    cp --parents --dereference "$library" "$target"
done
# Loaded by name at run time, to look hosts up.
find /usr/lib -name 'libnss_files.so*' -o -name 'libnss_dns.so*' -o -name 'libresolv.so*' |
    xargs --no-run-if-empty cp --parents --dereference --target-directory "$target"
copy() { tar --create --directory=/ "${@#/}" | tar --extract --directory="$target"; }
copy "$python" "$stdlib" "$venv"
rm -rf "$target$stdlib"/{test,idlelib,tkinter,ensurepip,turtledemo,site-packages,lib2to3}
for link in "$prefix"/bin/python3* "$prefix"/lib/libpython*.so*; do
    [ ! -e "$link" ] || copy "$link"
done

[ ! -d /etc/ssl ] || cp --archive /etc/ssl "$target/etc"
[ ! -d /usr/share/ca-certificates ] || copy /usr/share/ca-certificates
echo 'hosts: files dns' >"$target/etc/nsswitch.conf"
echo 'edgeproxy:x:10001:10001:edgeproxy:/tmp:/nonexistent' >"$target/etc/passwd"
echo 'edgeproxy:x:10001:' >"$target/etc/group"
