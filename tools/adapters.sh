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

# STEP ROWS OPTION..: one command of a recipe, from build/adapters/ROWS.train.jsonl into
# build/adapters/STEP.gguf. OpenBLAS is left to see for itself what the machine is.
train() {
    local step=$1 rows=$2
    shift 2
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" train -m "$model" \
        -d "$work/$rows.train.jsonl" -o "$work/$step.gguf" --name "${step%.*}" --resume "$@"
    "$program" plot "$work/$step.gguf.log.jsonl" -o "$work/$step.svg"
}
# The same with a dev file, on which the best adapter is chosen.
tuned() {
    local step=$1 rows=$2
    shift 2
    train "$step" "$rows" --dev "$work/$rows.dev.jsonl" "$@"
}
ship() { cp "$work/$1.gguf" "$shipped/${1%.*}.gguf"; }

own_sql() { python3 "${0%/*}/make_sql_rows.py" --rows "$1" --seed "$2" "${@:3}"; }

# N M FILE: FILE's lines, one of standard input's behind N of every M of them.
between() {
    awk -v n="$1" -v m="$2" 'NR == FNR {other[count++] = $0; next}
        {print} FNR * (m - n) % m >= m - n && taken < count {print other[taken++]}' - "$3"
}

# Rows whose prompt none before has.
distinct() { awk -F'"prompt": ' '{split($2, part, ", \"completion\"")} !seen[part[1]]++'; }

# Shared adapters: the tuning LoRA on the data's completions first; then the tuned model writes the
# completions itself, and the streams learn from those: what they will have to guess is what it says,
# not what the data says.
for name in "$@"; do
    case $name in
    sql) # WikiSQL first, then questions over several tables beside it
        unpack sql
        tuning="--mode shared --shares 100,0,0"
        train sql.1 sql $tuning --stream-rank 16 --steps 217 --seed 1
        train sql.2 sql -a "$work/sql.1.gguf" $tuning --steps 200 --seed 4
        own_sql 6000 1 | between 9 11 "$work/sql.train.jsonl" | head -n 13200 \
            >"$work/several.train.jsonl"
        train sql.3 several -a "$work/sql.2.gguf" $tuning --steps 330 --seed 6
        "$program" adapter export-lora "$work/sql.3.gguf" -o "$work/sql.lora.gguf"
        own_sql 1700 4 --mixed >"$work/mixed.jsonl"
        tail -n +21201 "$work/sql.train.jsonl" | head -n 1200 >"$work/later.jsonl"
        {
            tail -n +22401 "$work/sql.train.jsonl" | head -n 700 | between 2 5 "$work/mixed.jsonl"
            own_sql 1000 3 | between 5 6 "$work/later.jsonl"
        } >"$work/answered.train.jsonl"
        train sql.4 answered -a "$work/sql.lora.gguf" --dev "$work/sql.dev.jsonl" --eval-every 400 \
            --mode shared --streams 6 --msa-layers 8 --stream-rank 16 --root 32 --parent 64 \
            --distill --distill-tokens 96 --steps 2000 --shares 0,95,5 --stream-lr 3e-3 \
            --teacher 0.5 --seed 12
        ship sql.4 ;;
    e2e)
        unpack e2e
        train e2e.1 e2e --mode shared --streams 6 --msa-layers 8 --rank 8 --stream-rank 16 \
            --root 32 --parent 64 --steps 300 --shares 100,0,0 --seed 1
        distinct <"$work/e2e.train.jsonl" >"$work/meanings.train.jsonl"
        train e2e.2 meanings -a "$work/e2e.1.gguf" --dev "$work/e2e.dev.jsonl" --mode shared \
            --limit 1600 --distill --distill-tokens 96 --steps 380 --shares 0,88,12 \
            --teacher 0.5 --seed 2
        ship e2e.2 ;;
    mts)
        unpack mts
        train mts.1 mts --mode shared --streams 4 --msa-layers 6 --rank 8 --stream-rank 16 \
            --root 32 --parent 64 --steps 110 --shares 100,0,0 --seed 1
        tuned mts.2 mts -a "$work/mts.1.gguf" --dev-prompts 16 --mode shared --limit 800 \
            --distill --distill-tokens 96 --steps 180 --shares 0,85,15 --teacher 0.5 --seed 2
        ship mts.2 ;;
    assistant)
        unpack instruct
        unpack gsm8k
        awk 'NR == FNR {if (n < 300) question[n++] = $0; next}
             {print} FNR % 5 == 0 && k < n {print question[k++]}' \
            "$work/gsm8k.train.jsonl" "$work/instruct.train.jsonl" >"$work/assistant.train.jsonl"
        answers="--distill --distilled $work/assistant.answers.jsonl"
        train assistant.1 assistant $answers --limit 480 --mode lossless --streams 4 \
            --msa-layers 4 --stream-rank 16 --root 64 --parent 64 --steps 110 \
            --shares 0,100,0 --teacher 0.5 --seed 1
        train assistant.2 assistant -a "$work/assistant.1.gguf" $answers --limit 1300 \
            --dev "$work/instruct.dev.jsonl" --dev-prompts 16 --eval-every 100 \
            --mode lossless --steps 340 --shares 0,90,10 --teacher 0.5 --seed 2
        tail -n +1301 "$work/assistant.train.jsonl" >"$work/later.train.jsonl"
        train assistant.3 later -a "$work/assistant.2.gguf" --limit 1300 --distill \
            --distilled "$work/later.answers.jsonl" --dev "$work/instruct.dev.jsonl" \
            --dev-prompts 16 --eval-every 100 --mode lossless --steps 340 --shares 0,90,10 \
            --teacher 0.5 --seed 3
        ship assistant.3 ;;
    dialogsum)
        unpack dialogsum
        train dialogsum.1 dialogsum --mode shared --streams 4 --msa-layers 6 --rank 8 \
            --stream-rank 16 --root 32 --parent 64 --steps 110 --shares 100,0,0 --seed 1
        tuned dialogsum.2 dialogsum -a "$work/dialogsum.1.gguf" --dev-prompts 16 --mode shared \
            --limit 800 --distill --distill-tokens 96 --steps 180 --shares 0,85,15 \
            --teacher 0.5 --seed 2 ;;
    *)
        echo "no recipe for '$name': sql, e2e, mts, assistant, dialogsum" >&2
        exit 2 ;;
    esac
done
