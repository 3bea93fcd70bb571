#!/usr/bin/env bash
# Real pictures to tune and to evaluate the label branch on, from Debian's wallpaper packages.
#   usage: holdout.sh DIR        (needs apt-get download and dpkg-deb; nothing is installed)
# DIR/tune and DIR/holdout get one folder a kind. The two come from different packages, so that no
# picture, and no artist's style, is in both. Which picture is a photograph was decided by eye;
# pictures that a person could call either are left out.
set -euo pipefail
out=${1:?usage: holdout.sh DIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
apt-get download mate-backgrounds plasma-workspace-wallpapers \
  lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 ukui-wallpapers >&2
for package in *.deb; do dpkg-deb -x "$package" root; done
backgrounds=root/usr/share/backgrounds

take() { # SET KIND FILE...
  local folder="$out/$1/$2"
  mkdir -p "$folder"
  shift 2
  cp "$@" "$folder/"
  chmod 644 "$folder"/*
}
plasma() { # SET KIND NAME...: the largest landscape version of each
  local set=$1 kind=$2 file
  shift 2
  for name in "$@"; do
    file=$(ls root/usr/share/wallpapers/"$name"/contents/images/*.* | grep -v 1080x1920 | sort -V | tail -1)
    mkdir -p "$out/$set/$kind"
    install -m 644 "$file" "$out/$set/$kind/$name.${file##*.}"
  done
}

plasma tune photograph BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey \
  Kite OneStandsOut Path summer_1am
take tune photograph "$backgrounds"/mate/nature/*.jpg
plasma tune graphic Altai Canopee Cascade Cluster Elarun Flow FlyingKonqui Honeywave IceCold Kay \
  Kokkini MilkyWay Opal PastelHills Patak SafeLanding Shell Volna
take tune graphic "$backgrounds"/mate/desktop/{Float-into-MATE,Stripes,Ubuntu-Mate-Cold-no-logo,Ubuntu-Mate-Warm-no-logo}.png \
  "$backgrounds"/mate/desktop/GreenTraditional.jpg

for name in Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Kleiber_by_Lukas_Baubkus \
  Picture_0B_by_freespace Picture_1A_by_freespace Wine_by_Jakkub_Mede \
  aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi \
  greentock_by_Peter_Nerlich life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi \
  seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi; do
  take holdout photograph "$backgrounds/$name.jpg"
done
for name in 2004default.jpg Fossa_by_Jasper_Roks.jpg Painting-Colors_by__herobrine7gamer.jpg \
  calla.png city.png desert.png firstgeneration.jpg fluent-color.png focal-ubuntukylin.png \
  goldfish.png rhythm.jpg rollpaper.png string.jpg the-mouse.jpg umang_by_Abhishek_Mudgal.jpg; do
  take holdout graphic "$backgrounds/$name"
done
find "$out" -type f | wc -l
