// `node sharp.mjs time WORK [OUT]`: WORK with sharp to every file named on standard input, as
// `image-lab time` does it, one file at a time on one thread.
import { readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

const [, , , work, out] = process.argv;
const files = readFileSync(0, "utf8").split("\n").filter(Boolean);

async function half(file) {
  const { width, height } = await sharp(file).metadata();
  const side = (pixels) => Math.max(1, Math.floor(pixels / 2 + 0.5));
  return sharp(file)
    .rotate()
    .resize({ width: side(width), height: side(height), fit: "fill", kernel: "lanczos3" })
    .keepIccProfile()
    .jpeg({ quality: 85 })
    .toBuffer();
}

const works = {
  half,
  quality80: (file) => sharp(file).rotate().keepIccProfile().jpeg({ quality: 80 }).toBuffer(),
  png: (file) => sharp(file).keepIccProfile().png().toBuffer(),
  validate: async (file) => (await sharp(file).metadata(), Buffer.alloc(0)),
};

let [bytes, failed] = [0, 0];
const begun = process.cpuUsage();
for (const [index, file] of files.entries()) {
  try {
    const made = await works[work](file);
    bytes += made.length;
    if (out) writeFileSync(`${out}/${index}.${work === "png" ? "png" : "jpg"}`, made);
  } catch (error) {
    console.error(`sharp: ${file}: ${error.message}`);
    failed += 1;
  }
}
const { user, system } = process.cpuUsage(begun);
console.log(JSON.stringify({ files: files.length, failed, bytes, cpu: (user + system) / 1e6 }));
