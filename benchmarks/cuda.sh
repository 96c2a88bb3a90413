#!/usr/bin/env bash
# Everything that only a CUDA machine can tell, on one that has PyTorch alone:
#
#   make wheelhouse WHEELS=wheels        # where there is a network
#   bash benchmarks/cuda.sh python3 wheels results
#
# The interpreter that has PyTorch, the folder of wheels, where the results
# go: a JSON file for each part, there as soon as the part is done. "-" in the
# place of the wheels: the interpreter has everything. A part takes under 9
# minutes, all together about 25. Ends with 1 if a check failed or a part did
# not finish. A fourth word, cpu, tries all of it on a CPU with tiny sizes; a
# fifth and more name the parts to run.
#
# Nothing has been measured on CUDA yet.
set -uo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 3 ]; then
    sed -n '2,14s/^# \{0,1\}//p' benchmarks/cuda.sh
    exit 2
fi
python=$1
wheels=$2
device=${4:-cuda}
case $device in
    cuda | cpu) ;;
    *)
        echo "error: the device is $device; it can be cuda or cpu" >&2
        exit 2
        ;;
esac
mkdir -p "$3" && results=$(cd "$3" && pwd) || exit 2
only=" ${*:5} "
if [ "$wheels" != - ]; then
    WHEELS=$wheels PYTHON=$python \
        requirements/setup.sh modern "$results/environment" || exit 1
    python=$results/environment/bin/python
fi
export PYTHONPATH=$PWD
size=L pixels=224 images=1281167 batch=256 repeats=30
config=interclr-moco_resnet50_8xb32-coslr-200e_in1k
if [ "$device" = cpu ]; then
    size=XS pixels=32 images=2000 batch=8 repeats=2
    config=interclr-moco_resnet18_1xb64-coslr-50e_digits
else
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv \
        > "$results/device.csv"
fi
failed=

# part NAME COMMAND...: with its output in NAME.log and its result in NAME.json
part() {
    local name=$1 code=0
    shift
    case $only in "  " | *" $name "*) ;; *) return ;; esac
    echo "== $name"
    rm -f "$results/$name.json"
    timeout 540 "$python" "$@" --device "$device" \
        --out "$results/$name.json" > "$results/$name.log" 2>&1 || code=$?
    grep -E '^(ok|FAIL|left out|\|)' "$results/$name.log"
    if [ $code -ne 0 ]; then
        failed="$failed $name"
        echo "FAILED, exit code $code; the end of $results/$name.log:"
        tail -n 5 "$results/$name.log"
    fi
}

for name in exact waits algorithms resume processes; do
    part $name benchmarks/cuda_checks.py $name --size $size
done
part branch benchmarks/branch.py --size $size --repeats $repeats
for library in mmselfsup mmpretrain; do
    part "steps-$library" benchmarks/steps.py --pixels $pixels --amp \
        --images $images --batch-size $batch --repeats $repeats \
        --config "$library/${config}_$library.py"
done
part first_clustering benchmarks/first_clustering.py --size $size --repeats 1
if [ -n "$failed" ]; then
    echo "failed:$failed"
    exit 1
fi
echo "all parts done: $results"
