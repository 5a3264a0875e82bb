#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains the adapters in examples/adapters/ anew, each by the command that made it. The seed, the
# number of steps and the rows are fixed; on the same machine, with the same BLAS, the bytes are,
# too. A run that was cut short goes on where it stood when this is called again.
#     tools/adapters.sh build/specstream MODEL [sql|e2e|mts|assistant|dialogsum]...
# dialogsum is a recipe alone: its data are non-commercial, so it is trained only when named, and
# into build/adapters/.
set -eu
program=$1 model=$2
shift 2
[ $# -gt 0 ] || set -- sql e2e mts assistant
data=${SS_DATA:-../shared/data} # *.jsonl.xz; SOURCES.md there says where they come from
work=build/adapters
shipped=examples/adapters
mkdir -p "$work" "$shipped"

# Rows of `instruct` that are not used. Share-alike: text of Wikipedia, and sets under CC BY-SA.
# Prompts of public evaluation sets: nobody could measure on those afterwards.
tasks='184|186|187|381|582|603|674|926|1293|1441|1518|1600|1603|1609|1637|1638|1660'
share_alike="nq-open|dolly|p3/adversarial_qa|p3/hotpotqa|own-templates-on-text/[a-z]+/wikipedia|natural-instructions/task($tasks)_[^\"]*"
evaluation='ifeval|arena-hard|svamp'

# NAME: data/NAME.{train,dev}.jsonl.xz, freely licensed rows alone, into build/adapters/.
unpack() {
    local name=$1 part
    for part in train dev; do
        [ -r "$data/$name.$part.jsonl.xz" ] || {
            echo "$data/$name.$part.jsonl.xz is missing (SS_DATA names another folder)" >&2
            exit 1
        }
        xz -dc "$data/$name.$part.jsonl.xz" |
            case $name in
            sql) grep -vE '"id": "sql-[a-z]+-spider-' ;;
            instruct) grep -vE "\"source\": \"($share_alike|$evaluation)\"" ;;
            *) cat ;;
            esac >"$work/$name.$part.jsonl"
    done
    echo "$name: $(wc -l <"$work/$name.train.jsonl") rows"
}

# NAME DATA OPTION..: OpenBLAS is left to see for itself what the machine is.
train() {
    local name=$1 rows=$2
    shift 2
    unpack "$rows"
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" train -m "$model" \
        -d "$work/$rows.train.jsonl" --dev "$work/$rows.dev.jsonl" -o "$work/$name.gguf" \
        --name "$name" --seed 1 --resume "$@"
    "$program" plot "$work/$name.gguf.log.jsonl" -o "$work/$name.svg"
}
# NAME DATA OPTION..: goes on from what `train` or the last `more` made.
more() {
    local name=$1 rows=$2
    shift 2
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" train -m "$model" \
        -d "$work/$rows.train.jsonl" -a "$work/$name.gguf" -o "$work/$name.more.gguf" \
        --name "$name" "$@"
    cp "$work/$name.more.gguf" "$work/$name.gguf"
}
ship() { cp "$work/$1.gguf" "$shipped/$1.gguf"; }

for name in "$@"; do
    case $name in
    sql)
        train sql sql --mode shared --streams 6 --msa-layers 8 --rank 8 --stream-rank 16 \
            --root 32 --parent 64 --teacher 0.5 --steps 700 --shares 31,65,4
        more sql sql --seed 2 --mode shared --steps 240 --shares 0,0,100
        more sql sql --seed 3 --mode shared --steps 300 --shares 0,85,15 --stream-lr 2.5e-3 \
            --teacher 0.5
        ship sql ;;
    e2e) train e2e e2e --mode shared --steps 3000 && ship e2e ;;
    mts) train mts mts --mode shared --steps 2000 && ship mts ;;
    assistant)
        train assistant instruct --mode lossless --distill --steps 4000 && ship assistant ;;
    dialogsum) train dialogsum dialogsum --mode shared --steps 2000 ;;
    *)
        echo "no recipe for '$name': sql, e2e, mts, assistant, dialogsum" >&2
        exit 2 ;;
    esac
done
