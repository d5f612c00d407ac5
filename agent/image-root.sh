#!/bin/sh
# Lays out the files of the agent's image: sh agent/image-root.sh <folder with the compiled agent> <new folder>
# Run in the root of a checkout whose packages are installed; used by the Dockerfile and by the tools that pack the image without a container engine.
set -eu
compiled=$1
out=$2
app=$out/app

mkdir -p "$app/agent" "$app/node_modules" "$out/usr/local/bin"
cp -R "$compiled" "$app/agent/dist"
cp agent/package.json "$app/agent/package.json"

# What the agent needs when it runs, and nothing else of this workspace.
modules=$(npm ls --workspace compute-mesh-agent --omit=dev --all --parseable)
newline='
'
IFS=$newline
for folder in $modules; do
  path=${folder#"$PWD"/}
  case "$path" in
    # The workspace itself is a link to the agent; packages inside packages come with the outer one.
    "$PWD" | node_modules/compute-mesh-agent | agent | */node_modules/*/node_modules/* | node_modules/*/node_modules/*) ;;
    node_modules/* | agent/node_modules/*)
      mkdir -p "$app/$(dirname "$path")"
      cp -R "$path" "$app/$path"
      ;;
  esac
done

# A third of the files serve editors and debuggers only.
find "$app" \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' -o -name '*.md' \) -type f -exec rm -f {} +
chmod 0755 "$app/agent/dist/agent/src/main.js"
cp agent/ready.sh "$out/usr/local/bin/compute-mesh-agent-ready"
chmod 0755 "$out/usr/local/bin/compute-mesh-agent-ready"
ln -s ../../../app/agent/dist/agent/src/main.js "$out/usr/local/bin/compute-mesh-agent"
