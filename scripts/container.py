#!/usr/bin/env python3
"""Runs an image that umoci has unpacked into BUNDLE as Fargate runs the runner's (terraform/modules/runner):

    container.py [--offline] [--tmp DIR] [--entrypoint PROGRAM] BUNDLE [ARGUMENT…]

As the image's user, without a capability, over a root file system that is read-only but for /tmp, which is DIR or else empty. Nothing
of this machine is to be seen but its network, unless offline. The environment is this process's, and the image's over it. The
program takes this process's place: signals and exit code are its own. Needs root.
"""

import argparse
import json
import os
import pathlib
import sys

# In namespaces of mounts, and where asked for of networks, that end with the program.
ENTER = """
root=$1 tmp=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
if [ -n "$tmp" ]; then
    mount --bind "$tmp" "$root/tmp"
else
    mount -t tmpfs -o "nosuid,nodev,mode=1777" tmpfs "$root/tmp"
fi
cd /
setpriv=$(command -v setpriv) chroot=$(command -v chroot)
export PATH="$IMAGE_PATH"
unset IMAGE_PATH
exec "$setpriv" --no-new-privs "$chroot" --groups= --userspec="$user" "$root" "$@"
"""


def main():
    arguments = argparse.ArgumentParser(description="runs an unpacked image as Fargate does")
    arguments.add_argument("--offline", action="store_true")
    arguments.add_argument("--tmp", default="")
    arguments.add_argument("--entrypoint")
    arguments.add_argument("bundle", type=pathlib.Path)
    arguments.add_argument("argument", nargs=argparse.REMAINDER)
    options = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("container.py: it becomes the image's user: run it as root")

    process = json.loads((options.bundle / "config.json").read_text())["process"]
    root = options.bundle.resolve() / "rootfs"
    for folder in ("proc", "dev"):  # where a container's runtime mounts what is the system's
        (root / folder).mkdir(exist_ok=True)
    image = dict(pair.split("=", 1) for pair in process["env"])
    environment = {**os.environ, **image, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "IMAGE_PATH": image["PATH"]}
    program = [options.entrypoint] if options.entrypoint else process["args"]
    user = f"{process['user']['uid']}:{process['user']['gid']}"
    enter = ["unshare", "--mount", *(["--net"] if options.offline else []), "sh", "-euc", ENTER, "sh"]
    os.execvpe("unshare", [*enter, root, options.tmp, user, *program, *options.argument], environment)


if __name__ == "__main__":
    main()
