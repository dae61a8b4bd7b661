#!/bin/sh
# {{name}}: {{runs}} runs in {{tasks}} tasks of a Slurm array, and then the report. Partition, account and the like: the
# variables of sbatch (SBATCH_PARTITION, SBATCH_ACCOUNT), or a template of your own (lrx submit --template).
set -eu
mkdir -p {{logs}}
array=$(sbatch --parsable <<'JOB'
#!/bin/sh
#SBATCH --job-name={{name}}
#SBATCH --array=0-{{last}}
#SBATCH --chdir={{folder}}
#SBATCH --cpus-per-task={{cores}}
#SBATCH --mem={{memory}}M
#SBATCH --time={{minutes}}
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --open-mode=append
#SBATCH --output={{logs}}/%A_%a.log
# Two minutes before the time limit, USR1 makes lrx write a checkpoint and end with 75: the task then goes on in a job of its
# own right. What preempts it, or requeues it, does so itself.
code=0
srun --cpus-per-task={{cores}} {{run}} --task auto/{{tasks}} --requeue-exit 75 || code=$?
tries=0
while [ "$code" = 75 ] && [ "$tries" -lt 10 ]; do
    # A controller that is busy may refuse; once it has agreed, it ends this script.
    if scontrol requeue "$SLURM_JOB_ID"; then sleep 60; break; fi
    tries=$((tries + 1))
    sleep 3
done
exit "$code"
JOB
)
array=${array%%;*}
report=$(sbatch --parsable --dependency="afterany:$array" <<'JOB'
#!/bin/sh
#SBATCH --job-name={{name}}-report
#SBATCH --chdir={{folder}}
#SBATCH --time=30
#SBATCH --output={{logs}}/%j-report.log
{{report}}
JOB
)
echo "array $array, report ${report%%;*}; logs in "{{logs}}
