//! A tokenizer file with fewer tokens, under other ids: what the tokens of a compact vocabulary are to other programs.
//!
//! A text whose tokens are all kept has the same tokens as before. For WordPiece, WordLevel and Unigram that is so whatever is
//! left out: the best choice among all is the best among fewer that have it. BPE makes a token of smaller ones, which a
//! compact vocabulary need not have: `Ġwhisk` of `Ġwh` and `isk`, say, of which data that has only whiskers never shows the
//! latter. So every merge that can lead to a token that is kept is kept, in the order that it had, and what it takes and makes
//! with it: tokens *on the way*, whose ids come behind those of the vocabulary. As merges only ever join, what is made on the way
//! to a token that is kept is a part of it: all merges of a text of such tokens are there, and others are not among those that
//! its letters offer. Only a text that has tokens which were left out can end with one that is on the way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokenizers::ModelWrapper;

use super::pieces::{byte_fallback_name, byte_level, byte_level_char};

/// A tokenizer as other programs read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerFile {
    /// The content of `tokenizer.json`. Nothing is added to a text, cut off or dropped by chance.
    pub json: String,
    /// One more than the largest id. Those from the size of the vocabulary on are of tokens on the way to others: no text of the
    /// vocabulary's own tokens has them.
    pub size: usize,
    /// A token of the vocabulary that no text has: that of a byte which UTF-8 never uses.
    pub never: Option<u32>,
}

type Parts = BTreeMap<String, Box<RawValue>>;

/// A whole tokenizer, of `size` tokens.
pub(super) fn whole(json: &str, size: usize) -> Result<TokenizerFile, String> {
    let mut parts = parts(json)?;
    // Untouched where nothing is to be changed in it, to the last digit.
    let mut model: Parts = parts_of(&parts, "model")?;
    if model.get("dropout").is_some_and(|dropout| dropout.get() != "null") {
        model.insert("dropout".into(), raw(&Value::Null)?);
        parts.insert("model".into(), raw(&model)?);
    }
    Ok(TokenizerFile { json: with_nothing_added(parts)?, size, never: None })
}

/// A tokenizer cut down to the tokens `full`, which ascend: the id of each is its place there.
pub(super) fn cut(library: &tokenizers::Tokenizer, json: &str, full: &[u32]) -> Result<TokenizerFile, String> {
    let mut parts = parts(json)?;
    let mut model: Parts = parts_of(&parts, "model")?;
    let mut kept = Kept::new(full);
    let added: Vec<Value> = parts_of(&parts, "added_tokens").unwrap_or_default();
    let added: Vec<Value> = added.into_iter().filter_map(|token| kept.added(token)).collect();
    match library.get_model() {
        ModelWrapper::BPE(_) => {
            let vocabulary: HashMap<String, u32> = parts_of(&model, "vocab")?;
            let merges: Vec<Box<RawValue>> = parts_of(&model, "merges")?;
            let unknown = parts_of::<Option<String>>(&model, "unk_token").unwrap_or_default();
            let prefix = parts_of::<Option<String>>(&model, "continuing_subword_prefix").unwrap_or_default();
            let merges = kept.closed_under(merges, &vocabulary, prefix.unwrap_or_default().len())?;
            kept.also(unknown.as_ref(), &vocabulary);
            model.insert("vocab".into(), raw(&kept.numbered(&vocabulary, &added))?);
            model.insert("merges".into(), raw(&merges)?);
            model.insert("dropout".into(), raw(&Value::Null)?);
        }
        ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => {
            let vocabulary: HashMap<String, u32> = parts_of(&model, "vocab")?;
            kept.also(parts_of::<Option<String>>(&model, "unk_token").unwrap_or_default().as_ref(), &vocabulary);
            model.insert("vocab".into(), raw(&kept.numbered(&vocabulary, &added))?);
        }
        ModelWrapper::Unigram(_) => {
            let list: Vec<Box<RawValue>> = parts_of(&model, "vocab")?;
            let unknown = parts_of::<Option<u32>>(&model, "unk_id").unwrap_or_default();
            // An id is a place in the list: no other token can come before one that is in it.
            let in_list = |id: u32| (id as usize) < list.len();
            if unknown.is_some_and(|id| kept.number(id).is_none()) && !full.iter().all(|id| in_list(*id)) {
                return Err("its unknown token is not in the vocabulary, which has tokens behind its list".to_owned());
            }
            kept.way.extend(unknown.filter(|id| kept.number(*id).is_none()));
            let all = full.iter().copied().filter(|id| in_list(*id)).chain(kept.way.iter().copied());
            let pieces: Vec<&RawValue> = all.filter_map(|id| list.get(id as usize)).map(|piece| &**piece).collect();
            model.insert("vocab".into(), raw(&pieces)?);
            model.insert("unk_id".into(), raw(&unknown.and_then(|id| kept.number(id)))?);
        }
    }
    parts.insert("model".into(), raw(&model)?);
    parts.insert("added_tokens".into(), raw(&added)?);
    let never = [byte_level_char(u8::MAX).to_string(), byte_fallback_name(u8::MAX)];
    let [of_level, of_fallback] = never.each_ref().map(|name| library.token_to_id(name).and_then(|id| kept.number(id)));
    let never = if byte_level(library) { of_level } else { of_fallback };
    let file = TokenizerFile { json: with_nothing_added(parts)?, size: full.len() + kept.way.len(), never };
    check(&file, library, &kept)?;
    Ok(file)
}

/// Which tokens are kept, and under which ids.
struct Kept<'f> {
    full: &'f [u32],
    /// Tokens on the way to others.
    way: BTreeSet<u32>,
}

impl<'f> Kept<'f> {
    fn new(full: &'f [u32]) -> Self {
        Self { full, way: BTreeSet::new() }
    }

    /// The new id of a token, if it is kept.
    fn number(&self, id: u32) -> Option<u32> {
        let place = self.full.binary_search(&id).ok();
        let place = place.or_else(|| Some(self.full.len() + self.way.iter().position(|on_way| *on_way == id)?));
        place.map(|place| place as u32)
    }

    /// An added token under its new id, if it is kept.
    fn added(&self, mut token: Value) -> Option<Value> {
        let id = u32::try_from(token.get("id")?.as_u64()?).ok()?;
        token["id"] = json!(self.number(id)?);
        Some(token)
    }

    /// A token that the model cannot do without.
    fn also(&mut self, name: Option<&String>, vocabulary: &HashMap<String, u32>) {
        if let Some(id) = name.and_then(|name| vocabulary.get(name)).filter(|id| self.number(**id).is_none()) {
            self.way.insert(*id);
        }
    }

    /// The merges that can lead to tokens that are kept, in their order; what they take and make is kept from now on.
    fn closed_under(
        &mut self,
        merges: Vec<Box<RawValue>>,
        vocabulary: &HashMap<String, u32>,
        prefix: usize,
    ) -> Result<Vec<Box<RawValue>>, String> {
        let pairs = merges.iter().map(|merge| pair(merge)).collect::<Result<Vec<_>, _>>()?;
        let mut makers: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, (first, second)) in pairs.iter().enumerate() {
            let made = format!("{first}{}", second.get(prefix..).unwrap_or_default());
            makers.entry(made).or_default().push(i);
        }
        let is_kept = |id: &u32| self.full.binary_search(id).is_ok();
        let mut to_make: Vec<&str> =
            vocabulary.iter().filter(|(_, id)| is_kept(id)).map(|(name, _)| name.as_str()).collect();
        let mut known: BTreeSet<&str> = to_make.iter().copied().collect();
        let mut wanted = BTreeSet::new();
        while let Some(name) = to_make.pop() {
            for &merge in makers.get(name).into_iter().flatten() {
                wanted.insert(merge);
                let (first, second) = &pairs[merge];
                to_make.extend([first, second].into_iter().filter(|part| known.insert(part)).map(String::as_str));
            }
        }
        let needed = known.iter().filter_map(|name| vocabulary.get(*name)).copied();
        self.way = needed.filter(|id| !is_kept(id)).collect();
        Ok(merges.into_iter().enumerate().filter(|(i, _)| wanted.contains(i)).map(|(_, merge)| merge).collect())
    }

    /// The names of the tokens that are kept with their new ids. The library gives added tokens that have no place there
    /// another id than their file says, so they have one.
    fn numbered(&self, vocabulary: &HashMap<String, u32>, added: &[Value]) -> BTreeMap<String, u32> {
        let on_way: HashMap<u32, u32> = (self.full.len() as u32..).zip(&self.way).map(|(new, id)| (*id, new)).collect();
        let new = |id: &u32| self.full.binary_search(id).ok().map(|place| place as u32).or(on_way.get(id).copied());
        let added = added.iter().filter_map(|token| {
            Some((token.get("content")?.as_str()?.to_owned(), u32::try_from(token.get("id")?.as_u64()?).ok()?))
        });
        vocabulary.iter().filter_map(|(name, id)| Some((name.clone(), new(id)?))).chain(added).collect()
    }
}

/// Whether the library gives the tokens of a file the ids that they should have.
fn check(file: &TokenizerFile, library: &tokenizers::Tokenizer, kept: &Kept<'_>) -> Result<(), String> {
    let cut = tokenizers::Tokenizer::from_bytes(&file.json).map_err(|error| error.to_string())?;
    let mut all = (0..).zip(kept.full.iter().chain(&kept.way));
    let is_same = |new: u32, id: u32| cut.id_to_token(new) == library.id_to_token(id);
    match all.find(|(new, id)| !is_same(*new, **id)) {
        None => Ok(()),
        Some((new, id)) => Err(format!("its token {id} cannot have the id {new}")),
    }
}

/// What a merge joins: `"a b"` or `["a", "b"]`.
fn pair(merge: &RawValue) -> Result<(String, String), String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Text(String),
        Pair(String, String),
    }
    match serde_json::from_str(merge.get()).map_err(|error| error.to_string())? {
        Merge::Pair(first, second) => Ok((first, second)),
        Merge::Text(text) => match text.split_once(' ') {
            Some((first, second)) => Ok((first.to_owned(), second.to_owned())),
            None => Err(format!("its merge {text:?} is of one token")),
        },
    }
}

/// The tokens of a text are those of the text and nothing else, as in training.
fn with_nothing_added(mut parts: Parts) -> Result<String, String> {
    let null = raw(&Value::Null)?;
    for part in ["truncation", "padding"] {
        parts.insert(part.into(), null.clone());
    }
    // That of byte-level tokenizers only says where in the text a token stands.
    let kind = parts_of::<Value>(&parts, "post_processor").unwrap_or_default();
    if kind.get("type").and_then(Value::as_str) != Some("ByteLevel") {
        parts.insert("post_processor".into(), null);
    }
    serde_json::to_string(&parts).map_err(|error| error.to_string())
}

fn parts(json: &str) -> Result<Parts, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// The part `key`.
fn parts_of<'p, T: Deserialize<'p>>(parts: &'p Parts, key: &str) -> Result<T, String> {
    let part = parts.get(key).ok_or_else(|| format!("it has no `{key}`"))?;
    serde_json::from_str(part.get()).map_err(|error| format!("`{key}`: {error}"))
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, String> {
    serde_json::value::to_raw_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::progress::NoProgress;
    use crate::random::Random;
    use crate::synthetic::story;

    fn ids(tokenizer: &tokenizers::Tokenizer, text: &str) -> Vec<u32> {
        tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec()
    }

    fn names(vocabulary: &[&str]) -> Value {
        vocabulary
            .iter()
            .zip(0..)
            .map(|(name, id)| ((*name).to_owned(), json!(id)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// By hand: of the six merges three lead to `abc` and `xyz`, and `bc` is on the way.
    #[test]
    fn merges_that_lead_to_kept_tokens_are_kept_with_what_is_on_the_way() {
        let vocabulary = ["a", "b", "c", "x", "y", "z", "bc", "abc", "xy", "xyz", "zz", "ab", "<end>"];
        let json = json!({
            "version": "1.0", "normalizer": null, "pre_tokenizer": null, "decoder": null, "post_processor": null,
            "added_tokens": [{"id": 12, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
                              "normalized": false, "special": true}],
            "model": {"type": "BPE", "vocab": names(&vocabulary),
                      "merges": ["b c", "z z", "a bc", "x y", "xy z", "a b"]}
        });
        let json = json.to_string();
        let library: tokenizers::Tokenizer = json.parse().unwrap();
        // a, b, c, z, abc, xyz and the end: bc, x, y and xy are on the way.
        let full = [0, 1, 2, 5, 7, 9, 12];
        let file = cut(&library, &json, &full).unwrap();
        let value: Value = serde_json::from_str(&file.json).unwrap();
        assert_eq!(value["model"]["merges"], json!(["b c", "a bc", "x y", "xy z"]));
        assert_eq!(file.size, 11);
        let of = |name: &str| value["model"]["vocab"][name].as_u64();
        let ids = ["a", "b", "c", "z", "abc", "xyz", "<end>", "x", "y", "bc", "xy"].map(of);
        assert_eq!(ids, std::array::from_fn(|i| Some(i as u64)));
        assert_eq!((of("zz"), of("ab")), (None, None));
        assert_eq!(value["added_tokens"][0]["id"], 6);
    }

    /// Any text that has no other than kept tokens has these.
    #[test]
    fn texts_of_kept_tokens_have_the_same_tokens() {
        let stories: Vec<String> = (0..300).map(|index| story(0, index)).collect();
        let json = super::super::train(900, stories.iter().cloned().map(Ok), &NoProgress).unwrap();
        let library: tokenizers::Tokenizer = json.parse().unwrap();
        let (mut seen, mut with_tokens_on_the_way) = (0, 0);
        for some in stories.chunks(20) {
            let mut full: Vec<u32> = some.iter().flat_map(|story| ids(&library, story)).chain(0..257).collect();
            full.sort_unstable();
            full.dedup();
            let file = cut(&library, &json, &full).unwrap();
            with_tokens_on_the_way += usize::from(file.size > full.len());
            let cut: tokenizers::Tokenizer = file.json.parse().unwrap();
            let kept: HashSet<u32> = full.iter().copied().collect();
            // Words of these stories and of others, in any order, and with others' endings.
            let mut random = Random::new("test cut", &[some.len() as u64]);
            let words: Vec<&str> = stories.iter().take(40).flat_map(|story| story.split(' ')).collect();
            let odd = (0..2000).map(|_| format!("{}{}", random.pick(&words), random.pick(&words)));
            for text in some.iter().cloned().chain(odd) {
                let of_all = ids(&library, &text);
                if of_all.iter().all(|id| kept.contains(id)) {
                    let back: Vec<u32> = ids(&cut, &text).iter().map(|id| full[*id as usize]).collect();
                    assert_eq!(back, of_all, "{text:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 1000 && with_tokens_on_the_way > 10, "{seen} {with_tokens_on_the_way}");
    }

    #[test]
    fn pieces_with_scores_keep_their_order_and_their_digits() {
        let pieces = [("<unk>", "0.0"), ("▁", "-2.25"), ("a", "-3.123456789012345"), ("b", "-4"), ("ab", "-5.5")];
        let pieces: Vec<String> = pieces.iter().map(|(name, score)| format!("[\"{name}\", {score}]")).collect();
        let json = format!(
            r#"{{"version":"1.0","normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,
            "added_tokens":[],"model":{{"type":"Unigram","unk_id":0,"vocab":[{}]}}}}"#,
            pieces.join(",")
        );
        let library: tokenizers::Tokenizer = json.parse().unwrap();
        let file = cut(&library, &json, &[0, 2, 4]).unwrap();
        assert!(file.json.contains(r#"["<unk>", 0.0],["a", -3.123456789012345],["ab", -5.5]"#), "{}", file.json);
        assert_eq!(file.size, 3);
        // Without the unknown token, it is on the way.
        let file = cut(&library, &json, &[2, 4]).unwrap();
        assert!(file.size == 3 && file.json.contains("\"unk_id\":2"), "{}", file.json);
    }

    #[test]
    fn nothing_is_added_to_a_text() {
        let json = super::super::train(300, std::iter::once(Ok("a b".to_owned())), &NoProgress).unwrap();
        let mut value: Value = serde_json::from_str(&json).unwrap();
        value["post_processor"] = json!({
            "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}
        });
        value["model"]["dropout"] = json!(0.5);
        let file = whole(&value.to_string(), 257).unwrap();
        let library: tokenizers::Tokenizer = file.json.parse().unwrap();
        assert_eq!(library.encode("a b", true).unwrap().get_ids().len(), 3);
        let value: Value = serde_json::from_str(&file.json).unwrap();
        assert_eq!((&value["post_processor"], &value["model"]["dropout"]), (&Value::Null, &Value::Null));
    }
}
