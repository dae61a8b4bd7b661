#!/bin/sh
# {{name}}: {{runs}} runs in {{tasks}} tasks of a HyperQueue array, and then the report. A task whose worker is lost, at the end
# of its time say, is begun again by HyperQueue and goes on from its checkpoint.
set -eu
mkdir -p {{logs}}
job=$(hq submit --output-mode=quiet --name={{name}} --array=0-{{last}} --cwd={{folder}} \
    --cpus={{cores}} --time-request={{minutes}}m \
    --stdout={{logs}}/%{JOB_ID}_%{TASK_ID}.out --stderr={{logs}}/%{JOB_ID}_%{TASK_ID}.log \
    -- {{run}} --task auto/{{tasks}})
echo "job $job; logs in "{{logs}}
code=0
hq job wait "$job" || code=$?
cd {{folder}}
{{report}}
exit "$code"
