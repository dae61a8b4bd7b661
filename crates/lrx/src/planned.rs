//! What is known of a run before it has begun.

use lrx_data::{BatchSize, Corpus, Sampler, SamplerConfig};
use lrx_layers::Place;
use lrx_layers::rules::RuleOf;
use lrx_model::InitFrom;
use lrx_records::{RunRecord, Status};
use lrx_spec::{DataState, RunSpec};

/// The row of a run before it has begun.
pub(crate) fn record(run: &RunSpec, vocabulary: usize, corpus: Option<&Corpus>) -> RunRecord {
    let model = &run.model;
    let (embedding, body) = (model.embedding_parameters(vocabulary), model.body_parameters());
    let steps = corpus.map(|corpus| run.train.length().steps(&sampler(run, corpus)));
    let cut = corpus.map(|corpus| corpus.train.cut(model.context));
    // How many inputs each training story gives: each has a target.
    let inputs = corpus.map(|corpus| {
        let of_story = |story| corpus.train.story_tokens(story, model.context).saturating_sub(1);
        (corpus, (0..corpus.train.len()).map(of_story).collect::<Vec<usize>>())
    });
    RunRecord {
        run_id: run.run_id.clone().unwrap_or_default(),
        label: run.label.clone(),
        seed: Some(run.seed),
        status: Status::Planned,
        layers: Some(model.layers.len() as u64),
        hidden: Some(model.hidden as u64),
        attention: model.kind_cell(Place::Attention),
        attention_ranks: model.rank_cell(Place::Attention).into(),
        mlp: model.kind_cell(Place::Mlp),
        mlp_ranks: model.rank_cell(Place::Mlp).into(),
        params: Some((embedding + body) as u64),
        params_embedding: Some(embedding as u64),
        params_body: Some(body as u64),
        flops_per_token: Some(model.flops_per_token(vocabulary) as u64),
        stories: corpus.map(|corpus| corpus.train.len() as u64),
        tokens: corpus.zip(steps).and_then(|(corpus, steps)| tokens(run, corpus, steps)),
        steps: steps.map(|steps| steps as u64),
        configuration: run.configuration.clone(),
        init_from: model.init_from.as_ref().map(InitFrom::cell).unwrap_or_default(),
        training: run.training.clone(),
        frame: run.frame(),
        optimizer: run.train.optimizer.kind().to_owned(),
        learning_rate: Some(run.train.learning_rate),
        schedule: run.train.schedule.name().to_owned(),
        warmup_steps: Some(run.train.warmup_steps as u64),
        batch: batch(run.train.batch_size()),
        context: Some(model.context as u64),
        slots: model.slots_cell(),
        init: model.rule_cell(RuleOf::Init),
        lr_rule: model.rule_cell(RuleOf::LearningRate),
        decay_rule: model.rule_cell(RuleOf::Decay),
        deploy_params: Some((embedding + model.deploy_body_parameters()) as u64),
        numerics: Some(lrx_spec::NUMERICS.into()),
        deploy_flops_per_token: Some(model.deploy_flops_per_token(vocabulary) as u64),
        data: corpus.map(Corpus::data_hash).unwrap_or_default(),
        vocabulary: corpus.map(|corpus| corpus.vocabulary.hash()).unwrap_or_default(),
        eval_data: corpus.map(|corpus| corpus.eval_data(model.context)).unwrap_or_default(),
        stories_cut: cut.map(|cut| cut.stories_cut),
        tokens_cut: cut.map(|cut| cut.tokens_cut),
        tuned: run.tuned.clone(),
        precision: run.train.precision.name().to_owned(),
        long: corpus.map(|corpus| corpus.long.name().to_owned()).unwrap_or_default(),
        cut_share: cut.map(|cut| cut.share()),
        stories_skipped: corpus.map(|corpus| corpus.skipped as u64),
        empty_rows: corpus.map(|corpus| corpus.empty_rows),
        params_untrained: inputs.as_ref().map(|(corpus, lengths)| {
            let positions = lengths.iter().copied().max().unwrap_or(0);
            model.untrained_parameters(vocabulary, positions, || corpus.train_inputs()) as u64
        }),
        attention_flops_per_token: inputs.as_ref().map(|(_, lengths)| {
            let flops = model.attention_flops(lengths.iter().copied());
            (flops as f64 / lengths.iter().sum::<usize>().max(1) as f64).round() as u64
        }),
        ..RunRecord::default()
    }
}

fn batch(size: BatchSize) -> String {
    match size {
        BatchSize::Stories(1) => "1 story".to_owned(),
        BatchSize::Stories(stories) => format!("{stories} stories"),
        BatchSize::Tokens(tokens) => format!("{tokens} tokens"),
    }
}

/// Gives the batches of a run.
pub(crate) fn sampler(run: &RunSpec, corpus: &Corpus) -> Sampler {
    let DataState::Ready(data) = &run.data else { unreachable!("a corpus comes from data that is there") };
    let config = SamplerConfig {
        context: run.model.context,
        size: run.train.batch_size(),
        shuffle: data.shuffle(),
        seed: run.seed,
    };
    Sampler::new(corpus.train.clone(), config)
}

/// Targets in all steps of a run; none where it would take too long to count them.
fn tokens(run: &RunSpec, corpus: &Corpus, steps: usize) -> Option<u64> {
    let sampler = sampler(run, corpus);
    if !sampler.can_reach(steps) {
        return None;
    }
    let (epochs, rest) = sampler.position(steps);
    let begun = (steps - rest..steps).map(|step| sampler.batch(step).tokens() as u64);
    (epochs as u64).checked_mul(sampler.targets_per_epoch())?.checked_add(begun.sum())
}

/// How often a run evaluates, and on how many targets each time.
pub(crate) fn evaluations(run: &RunSpec, corpus: &Corpus) -> (usize, u64) {
    let steps = run.train.length().steps(&sampler(run, corpus));
    (steps.div_ceil(run.train.eval_every.max(1)), corpus.valid.targets(run.model.context))
}
