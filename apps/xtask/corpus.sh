#!/usr/bin/env bash
# Makes a folder of real photographs and other full-size pictures (JPEG, PNG, WebP) to measure with.
#
#     apps/xtask/corpus.sh DIR
#
# They are Debian's wallpaper packages: downloaded with apt-get and unpacked, never installed. Needs
# Debian (or a relative of it) with apt-get and dpkg-deb; run `apt-get update` before it if apt has
# no lists yet. Their licences (GPL, LGPL, CC BY-SA) let anyone use the pictures; they stay out of this repository.
set -euo pipefail

packages=(mate-backgrounds plasma-workspace-wallpapers gnome-backgrounds)
smallest=100k

folder=${1:?usage: corpus.sh DIR}
if [ -e "$folder" ]; then
    echo "corpus.sh: $folder exists already; remove it or give another" >&2
    exit 1
fi
for tool in apt-get dpkg-deb sha256sum; do
    command -v "$tool" >/dev/null || { echo "corpus.sh: needs $tool (Debian)" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download --quiet -o APT::Sandbox::User=root "${packages[@]}" >&2) || {
    echo "corpus.sh: the packages cannot be downloaded; run apt-get update and try again" >&2
    exit 1
}
mkdir "$work/unpacked"
for archive in "$work"/*.deb; do
    package=$(basename "$archive" | cut -d_ -f1)
    dpkg-deb --extract "$archive" "$work/unpacked/$package"
done

# Filled under another name, so that a folder of this name is always whole.
mkdir -p "$work/corpus"
declare -A seen
while IFS= read -r -d '' picture; do
    # Wallpapers come in many sizes of the same picture: the largest of each `images` folder will do.
    if [[ $picture == */contents/images*/* ]]; then
        largest=$(find "$(dirname "$picture")" -type f -printf '%s %p\n' | sort --numeric-sort --reverse | head -n 1 | cut -d' ' -f2-)
        [ "$picture" = "$largest" ] || continue
    fi
    digest=$(sha256sum "$picture" | cut -d' ' -f1)
    [ -z "${seen[$digest]:-}" ] || continue
    seen[$digest]=1
    name=${picture#"$work/unpacked/"}
    name=${name//\/usr\/share/}
    name=${name//\/contents\/images/}
    install -m 644 "$picture" "$work/corpus/${name//\//-}"
done < <(find "$work/unpacked" -type f -size "+$smallest" ! -name 'screenshot.*' \
    \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) -print0 | sort --zero-terminated)

mkdir -p "$(dirname "$folder")"
cp -r "$work/corpus" "$folder.part"
mv "$folder.part" "$folder"
echo "$(find "$folder" -type f | wc -l) pictures, $(du -sh "$folder" | cut -f1), in $folder"
