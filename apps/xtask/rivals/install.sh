#!/usr/bin/env bash
# Installs what the images are compared with into a folder of its own, and nowhere else:
# sharp (npm), Pillow with its test images (PyPI), ImageMagick (Debian).
#
#     apps/xtask/rivals/install.sh DIR
#
# Needs npm, python3 with venv, and apt-get with dpkg-deb.
set -euo pipefail

sharp=0.34.5
pillow=12.0.0

folder=${1:?usage: install.sh DIR}
if [ -e "$folder" ]; then
    echo "install.sh: $folder exists already; remove it or give another" >&2
    exit 1
fi
here=$(cd "$(dirname "$0")" && pwd)
part=$folder.part
rm -rf "$part"
mkdir -p "$part/node" "$part/magick" "$part/pillow"

cp "$here/sharp.mjs" "$part/node/"
npm install --prefix "$part/node" --no-audit --no-fund --loglevel=error "sharp@$sharp" >&2

python3 -m venv --copies "$part/python"
"$part/python/bin/pip" install --quiet --disable-pip-version-check "Pillow==$pillow" >&2
"$part/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary Pillow \
    --dest "$part/pillow" "Pillow==$pillow" >&2 || echo "install.sh: no source of Pillow" >&2
if ls "$part/pillow/"*.tar.gz >/dev/null 2>&1; then
    tar -xzf "$part/pillow/"*.tar.gz -C "$part/pillow" --strip-components=1
    rm "$part/pillow/"*.tar.gz
fi

# What Debian has of ImageMagick and this system has not; with all of it here already, nothing.
if ! command -v convert-im6.q16 >/dev/null; then
    packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances imagemagick-6.q16 | grep '^[a-z0-9]' | sort -u)
    for package in $packages; do
        dpkg-query --show "$package" >/dev/null 2>&1 && continue
        (cd "$part/magick" && apt-get download --quiet -o APT::Sandbox::User=root "$package" >&2) || true
    done
    for archive in "$part/magick/"*.deb; do
        dpkg-deb --extract "$archive" "$part/magick"
        rm "$archive"
    done
fi
mv "$part" "$folder"
echo "sharp $sharp, Pillow $pillow and ImageMagick in $folder"
