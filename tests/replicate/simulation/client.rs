//! One of several clients. Its dice decide what it does next; everything that it does and sees goes into the
//! history.

use super::{
    dice::Dice,
    history::{Content, History},
    linear::{Action, Answer, Condition, Tag, Version},
    world::{Gateway, World},
};
use crate::client::{key, number};
use causeway::{
    model::{Attributes, ByteRange, ETag, ObjectInfo, Tag as ObjectTag, TagSet},
    store::{
        BeginUpload, Change, CompletePart, CompleteUpload, CopyAttributes, CopyRequest, CopySource,
        GetRequest, ListEntry, ListRequest, PutRequest, Result, Selection,
        condition::{ETagMatch, WriteConditions},
        error::StoreErrorKind,
        payload::{Announced, Payload},
    },
};
use futures_util::StreamExt;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

pub const KEYS: [&str; 3] = ["a", "a/b", "c"];
/// Maximum duration of any operation: with faults, and without them.
const STUCK: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(40)];
const BETWEEN: Duration = Duration::from_millis(120);
/// The size of a frame of a body that a client sends.
const FRAME: usize = 20_000;

type Key = &'static str;

pub struct Client {
    pub number: usize,
    pub dice: Dice,
    pub history: History,
    pub world: Arc<World>,
    /// For each key, the ETag that the client saw last.
    seen: BTreeMap<Key, ETag>,
}

/// The start of an operation: the number of the client, and the moment.
type Begun = (usize, u64);

impl Client {
    pub fn new(number: usize, dice: Dice, world: Arc<World>) -> Self {
        Self { number, dice, history: world.history.clone(), world, seen: BTreeMap::new() }
    }

    pub async fn run(mut self, operations: usize) {
        for _ in 0..operations {
            sleep(self.dice.pause(BETWEEN)).await;
            let gateway = self.world.gateway().await;
            let name = self.dice.pick(&KEYS);
            match self.dice.below(30) {
                0..=7 => self.put(&gateway, name).await,
                8..=9 => self.upload(&gateway, name).await,
                10..=13 => self.delete(&gateway, name).await,
                14..=18 => self.get(&gateway, name).await,
                19..=20 => self.head(&gateway, name).await,
                21..=24 => self.list(&gateway).await,
                25..=26 => self.tag(&gateway, name).await,
                _ => self.copy(&gateway, name).await,
            }
        }
    }

    fn begin(&self) -> Begun {
        (self.number, self.history.moment())
    }

    /// The answer of the gateway. `None` if the client gave up, or the gateway was killed.
    async fn ask<T>(&self, gateway: &Gateway, what: impl Future<Output = Result<T>>) -> Option<Result<T>> {
        let is_patient = !self.dice.one_in(16);
        let patience = if is_patient {
            STUCK[usize::from(self.world.is_well)]
        } else {
            self.dice.pause(Duration::from_millis(1500))
        };
        tokio::select! {
            biased;
            () = gateway.killed.cancelled() => None,
            answer = what => Some(answer),
            () = sleep(patience) => {
                if is_patient {
                    self.history.wrong(format!("client {} waits for {patience:?}", self.number));
                }
                None
            }
        }
    }

    /// Records a change that has ended.
    fn changed<T>(
        &self,
        key: Key,
        begun: Begun,
        action: Action,
        heard: Option<Result<T>>,
        words: &str,
    ) -> Option<T> {
        let (answer, words) = match &heard {
            None => (Answer::Unknown, format!("{words} given up")),
            Some(Ok(_)) => (Answer::Done, words.to_owned()),
            Some(Err(error)) => (answer(error.kind()), format!("{words} {error}")),
        };
        self.history.note(key, begun, action, answer, &words);
        heard?.ok()
    }

    /// The condition of a change, as the client sends it and as the register knows it.
    fn condition(&self, key: Key) -> (WriteConditions, Condition) {
        let none = WriteConditions::default();
        match (self.dice.below(8), self.seen.get(key)) {
            (0..=1, _) => {
                (WriteConditions { if_none_match: Some(ETagMatch::Any), ..none }, Condition::Absent)
            }
            (2..=3, Some(etag)) => match self.history.find(etag) {
                Some((tag, _)) => (
                    WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..none },
                    Condition::Is(tag),
                ),
                None => (none, Condition::None),
            },
            _ => (none, Condition::None),
        }
    }

    fn tag_of(&self, etag: &ETag) -> Tag {
        self.history.find(etag).map_or(Tag::ANY, |(tag, _)| tag)
    }

    fn tags(&self, content: Content) -> u64 {
        if self.dice.one_in(2) { content.0 } else { 0 }
    }

    fn body(&self, content: Content) -> Payload {
        let bytes = content.bytes();
        let length = (!self.dice.one_in(4)).then_some(bytes.len() as u64);
        let dice = self.dice.of(content.0);
        let frames: Vec<_> = bytes.chunks(FRAME).map(bytes::Bytes::copy_from_slice).collect();
        let frames = futures_util::stream::iter(frames).then(move |frame| {
            let pause = dice.pause(Duration::from_millis(30));
            async move {
                sleep(pause).await;
                Ok(frame)
            }
        });
        Payload::from_stream(frames, Announced { length, ..Default::default() })
    }

    async fn put(&mut self, gateway: &Gateway, name: Key) {
        let (content, (conditions, condition)) = (self.history.content(), self.condition(name));
        let tags = self.tags(content);
        let request = PutRequest { attributes: attributes(tags), conditions, payload: self.body(content) };
        let begun = self.begin();
        let heard = self.ask(gateway, gateway.store.put(&key(name), request)).await;
        let action = Action::Write(Version { etag: self.tag_of(&content.etag()), tags }, condition);
        self.written(
            name,
            begun,
            action,
            heard.map(|heard| heard.map(|written| written.etag)),
            &content.etag(),
        );
    }

    /// Records a write that ended. Its reply must have the expected ETag.
    fn written(
        &mut self,
        name: Key,
        begun: Begun,
        action: Action,
        heard: Option<Result<ETag>>,
        expected: &ETag,
    ) {
        if let Some(etag) = self.changed(name, begun, action, heard, "") {
            if etag != *expected {
                self.history
                    .wrong(format!("{name}: a write answered the ETag {etag:?} instead of {expected:?}"));
            }
            self.seen.insert(name, etag);
        }
    }

    async fn upload(&mut self, gateway: &Gateway, name: Key) {
        let (content, (conditions, condition)) = (self.history.content(), self.condition(name));
        let (tags, at) = (self.tags(content), key(name));
        let store = &gateway.store;
        let begin = BeginUpload { attributes: attributes(tags), ..crate::client::plain_upload() };
        let Some(Ok(id)) = self.ask(gateway, store.begin_upload(&at, begin)).await else { return };
        if self.dice.one_in(4) {
            // This part is replaced by the next one.
            let other = self.history.content();
            let _ = self.ask(gateway, store.put_part(&at, &id, number(1), self.body(other))).await;
        }
        let put_part = store.put_part(&at, &id, number(1), self.body(content));
        let part = match self.ask(gateway, put_part).await {
            Some(Ok(part)) if !self.dice.one_in(8) => part,
            _ => {
                if self.dice.one_in(2) {
                    let _ = self.ask(gateway, store.abort_upload(&at, &id)).await;
                }
                return;
            }
        };
        let parts = vec![CompletePart { number: number(1), etag: part.etag, checksum: None }];
        let begun = self.begin();
        let complete = async {
            let mut again = self.dice.below(3);
            loop {
                let request = CompleteUpload {
                    parts: parts.clone(),
                    conditions: conditions.clone(),
                    checksum: None,
                    size: None,
                };
                let completed = store.complete_upload(&at, &id, request).await;
                match completed {
                    // Like real clients, this one repeats the same request.
                    Err(error) if again > 0 && answer(error.kind()) == Answer::Unknown => again -= 1,
                    completed => return completed,
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        let heard = self.ask(gateway, complete).await;
        let action = Action::Write(Version { etag: self.tag_of(&content.uploaded_etag()), tags }, condition);
        // If a repeated Complete finds no upload, it is unknown whether an earlier attempt took effect.
        let heard = match heard {
            Some(Err(error)) if error.kind() == StoreErrorKind::NoSuchUpload => None,
            heard => heard.map(|heard| heard.map(|written| written.etag)),
        };
        self.written(name, begun, action, heard, &content.uploaded_etag());
    }

    async fn delete(&mut self, gateway: &Gateway, name: Key) {
        let (conditions, condition) = match self.condition(name) {
            (conditions, Condition::Is(tag)) => (conditions, Condition::Is(tag)),
            _ => (WriteConditions::default(), Condition::None),
        };
        let begun = self.begin();
        let heard = self.ask(gateway, gateway.store.delete(key(name).current(), &conditions)).await;
        self.changed(name, begun, Action::Delete(condition), heard, "");
    }

    async fn tag(&mut self, gateway: &Gateway, name: Key) {
        let tags = 1_000_000 + self.history.content().0;
        let begun = self.begin();
        let heard =
            self.ask(gateway, gateway.store.update(key(name).current(), Change::Tags(tag_set(tags)))).await;
        self.changed(name, begun, Action::Retag(tags), heard, "");
    }

    async fn copy(&mut self, gateway: &Gateway, target: Key) {
        let source = self.dice.pick(&KEYS);
        let tags = 2_000_000 + self.history.content().0;
        let request = CopyRequest {
            source: CopySource {
                store: gateway.store.clone(),
                key: key(source),
                version: None,
                conditions: Default::default(),
            },
            attributes: CopyAttributes { tags: Some(tag_set(tags)), ..Default::default() },
            conditions: Default::default(),
            checksum: None,
        };
        let begun = self.begin();
        let heard = self.ask(gateway, gateway.store.copy(&key(target), request)).await;
        let written = match &heard {
            Some(Ok(written)) => {
                self.history.find(&written.etag).map(|(tag, content)| (tag, content, written.etag.clone()))
            }
            _ => None,
        };
        let words = format!("copied from {source}");
        match (heard, written) {
            (Some(Ok(_)), Some((tag, content, etag))) => {
                let sources = [tag, self.tag_of(&content.uploaded_etag())];
                self.history.note(source, begun, Action::Copied(sources), Answer::Done, "");
                self.changed(
                    target,
                    begun,
                    Action::Write(Version { etag: tag, tags }, Condition::None),
                    Some(Ok(())),
                    &words,
                );
                self.seen.insert(target, etag);
            }
            (Some(Ok(written)), None) => {
                self.history.wrong(format!("{target}: a copy of what nobody wrote: {:?}", written.etag))
            }
            (Some(Err(error)), _) if error.kind() == StoreErrorKind::NoSuchKey => {
                self.history.note(source, begun, Action::Read(None), Answer::Done, "by a copy");
            }
            (heard, _) => {
                let write = Action::Write(Version { etag: Tag::ANY, tags }, Condition::None);
                self.changed(target, begun, write, heard, &words);
            }
        }
    }

    async fn head(&mut self, gateway: &Gateway, name: Key) {
        let begun = self.begin();
        let heard = self.ask(gateway, gateway.store.describe(key(name).current(), &Default::default())).await;
        match heard {
            Some(Ok(info)) => self.saw(name, begun, &info, "HEAD"),
            Some(Err(error)) => self.missed(name, begun, error.kind(), "HEAD"),
            None => {}
        }
    }

    pub async fn get(&mut self, gateway: &Gateway, name: Key) {
        let range =
            self.dice.one_in(4).then(|| ByteRange::FromTo(self.dice.below(20), 20 + self.dice.below(8)));
        let begun = self.begin();
        let get = async {
            let selection = range.map_or(Selection::Whole, Selection::Range);
            let reply = gateway
                .store
                .get(key(name).current(), GetRequest { selection, ..Default::default() })
                .await?;
            let (info, span) = (reply.info.clone(), reply.span);
            Ok((info, span, crate::client::collect(reply).await?))
        };
        match self.ask(gateway, get).await {
            Some(Ok((info, span, body))) => {
                let right = self.history.find(&info.etag).map(|(_, content)| content.bytes());
                let is_right = right.is_some_and(|bytes| {
                    info.size == bytes.len() as u64
                        && bytes.get(span.start as usize..span.end as usize) == Some(&body[..])
                });
                if !is_right {
                    let begins = String::from_utf8_lossy(&body[..body.len().min(28)]).into_owned();
                    self.history
                        .wrong(format!("{name}: the ETag {:?} came with the bytes {begins:?}", info.etag));
                }
                self.saw(name, begun, &info, "GET");
            }
            Some(Err(error)) => self.missed(name, begun, error.kind(), "GET"),
            None => {}
        }
    }

    fn saw(&mut self, name: Key, begun: Begun, info: &ObjectInfo, how: &str) {
        let Some((etag, _)) = self.history.find(&info.etag) else {
            self.history.wrong(format!("{name}: {how} shows {:?}, which nobody wrote", info.etag));
            return;
        };
        let tags = info.attributes.tags.iter().find_map(|tag| tag.value.parse().ok()).unwrap_or_default();
        self.history.note(name, begun, Action::Read(Some(Version { etag, tags })), Answer::Done, how);
        self.seen.insert(name, info.etag.clone());
    }

    fn missed(&self, name: Key, begun: Begun, kind: StoreErrorKind, how: &str) {
        match kind {
            StoreErrorKind::NoSuchKey => {
                self.history.note(name, begun, Action::Read(None), Answer::Done, how)
            }
            kind => self.history.say(format!("client {} {name} {how}: {kind:?}", self.number)),
        }
    }

    pub async fn list(&mut self, gateway: &Gateway) {
        let prefix = self.dice.pick(&["", "", "a", "c"]);
        let begun = self.begin();
        let request = ListRequest { prefix: prefix.to_owned(), limit: 100, ..Default::default() };
        let Some(Ok(page)) = self.ask(gateway, gateway.store.list(request)).await else { return };
        for name in KEYS.into_iter().filter(|name| name.starts_with(prefix)) {
            let listed = page.entries.iter().find_map(|entry| match entry {
                ListEntry::Object(object) if object.key.as_str() == name => Some(object.etag.clone()),
                _ => None,
            });
            match listed.as_ref().map(|etag| self.history.find(etag)) {
                Some(None) => {
                    self.history.wrong(format!("{name}: LIST shows {listed:?}, which nobody wrote"))
                }
                found => self.history.note(
                    name,
                    begun,
                    Action::Listed(found.flatten().map(|(tag, _)| tag)),
                    Answer::Done,
                    "LIST",
                ),
            }
        }
    }
}

fn answer(kind: StoreErrorKind) -> Answer {
    match kind {
        StoreErrorKind::PreconditionFailed => Answer::Refused,
        StoreErrorKind::NoSuchKey => Answer::Missing,
        StoreErrorKind::Conflict
        | StoreErrorKind::InvalidPart
        | StoreErrorKind::InvalidRequest
        | StoreErrorKind::NotImplemented
        | StoreErrorKind::EntityTooSmall
        | StoreErrorKind::BadDigest => Answer::Nothing,
        _ => Answer::Unknown,
    }
}

fn tag_set(value: u64) -> TagSet {
    let tags =
        if value == 0 { Vec::new() } else { vec![ObjectTag { key: "n".into(), value: value.to_string() }] };
    TagSet::new(tags).expect("valid tags")
}

fn attributes(tags: u64) -> Attributes {
    Attributes { tags: tag_set(tags), ..Default::default() }
}
