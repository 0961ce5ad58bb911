//! One statement: parsing, and whether it speaks of a request.

use crate::{
    action::{Actions, NoAction, Target},
    condition::Condition,
    error::{Flaw, MalformedPolicy},
    json::Json,
    keys,
    principal::{Principals, Reach},
    request::Request,
    resource::{self, Resources},
};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone)]
enum Who {
    /// The identity that the policy is attached to.
    Holder,
    Named(Principals),
    AllBut(Principals),
}

/// An element and the one of the opposite meaning.
#[derive(Debug, Clone)]
struct Either<T> {
    what: T,
    all_but: bool,
}

#[derive(Debug, Clone)]
pub struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    who: Who,
    actions: Either<Actions>,
    resources: Either<Resources>,
    conditions: Vec<Condition>,
}

/// What the document around a statement demands of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The bucket whose policy it is. `None`: a policy of an identity.
    pub(crate) bucket: Option<&'a str>,
    /// Whether it is the trust policy of a role, which names principals and no resource.
    pub(crate) trust: bool,
    /// Whether its version has policy variables.
    pub(crate) variables: bool,
}

const ELEMENTS: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

impl Statement {
    pub(crate) fn parse(json: &Json, at: &str, rules: Rules<'_>) -> Result<Self, MalformedPolicy> {
        let members = json.object(at)?;
        if let Some((name, _)) = members.iter().find(|(name, _)| !ELEMENTS.contains(&name.as_str())) {
            return Err(MalformedPolicy::new(
                Flaw::UnknownElement,
                at,
                format!("a statement has no element {name:?}"),
            ));
        }
        let elements = Elements { members, at };
        let sid = elements.get("Sid").map(|sid| sid.text(&elements.path("Sid"))).transpose()?;
        let effect = match elements.needed("Effect")?.text(&elements.path("Effect"))? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => {
                let message = format!("must be Allow or Deny, but is {other:?}");
                return Err(MalformedPolicy::new(Flaw::Value, elements.path("Effect"), message));
            }
        };
        let who = elements.who(effect, rules)?;
        let (name, names, all_but) = elements.either("Action", "NotAction")?;
        let refused = |NoAction(why)| MalformedPolicy::new(Flaw::Action, elements.path(name), why);
        let what = Actions::parse(&names, rules.bucket.is_some()).map_err(refused)?;
        let actions = Either { what, all_but };
        let (resource, resources, not_resource) = elements.resources(rules)?;
        let refused = |why| MalformedPolicy::new(Flaw::Resource, elements.path(resource), why);
        let what = Resources::parse(&resources, rules.variables).map_err(refused)?;
        if let Some(bucket) = rules.bucket {
            let names = (!all_but).then_some(&names[..]);
            fits(names, &resources, not_resource, bucket).map_err(refused)?;
        }
        let resources = Either { what, all_but: not_resource };
        let mut conditions = elements.conditions(rules)?;
        conditions.sort_by_key(Condition::cost);
        Ok(Self { sid: sid.map(Into::into), effect, who, actions, resources, conditions })
    }

    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How the statement speaks of the request's sender, if it speaks of the request at all. `is_bounded`:
    /// the sender has a permission boundary. AWS spares no such sender by `NotPrincipal`.
    pub(crate) fn speaks_of(&self, request: &Request<'_>, is_bounded: bool) -> Option<Reach> {
        if self.actions.what.has(request.action) == self.actions.all_but {
            return None;
        }
        let reach = match &self.who {
            Who::Holder => Reach::Itself,
            Who::Named(principals) => principals.reach(&request.principal)?,
            Who::AllBut(principals) if is_bounded || !principals.spares(&request.principal) => {
                Reach::Everyone
            }
            Who::AllBut(_) => return None,
        };
        let has = self.resources.what.has(request.resource, request.arn.as_ref(), &request.context);
        if has == self.resources.all_but {
            return None;
        }
        self.conditions.iter().all(|condition| condition.holds(&request.context)).then_some(reach)
    }

    pub(crate) fn is_for_everyone(&self) -> bool {
        match &self.who {
            Who::Holder => false,
            Who::Named(principals) => principals.has_everyone(),
            Who::AllBut(_) => true,
        }
    }

    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    pub(crate) fn principals(&self) -> Option<&Principals> {
        match &self.who {
            Who::Holder => None,
            Who::Named(principals) | Who::AllBut(principals) => Some(principals),
        }
    }

    pub(crate) fn principals_mut(&mut self) -> Option<&mut Principals> {
        match &mut self.who {
            Who::Holder => None,
            Who::Named(principals) | Who::AllBut(principals) => Some(principals),
        }
    }
}

/// Whether the resources are of the bucket, and each named action acts on one of them.
fn fits(actions: Option<&[&str]>, resources: &[&str], all_but: bool, bucket: &str) -> Result<(), String> {
    let (mut of_bucket, mut of_objects) = (all_but, all_but);
    for name in resources {
        let covers = resource::covers(name, bucket)
            .ok_or_else(|| format!("{name:?} is no resource of bucket {bucket:?}"))?;
        of_bucket |= covers.bucket;
        of_objects |= covers.objects;
    }
    for name in actions.unwrap_or_default() {
        let acts = Actions::parse(&[name], true).is_ok_and(|action| {
            action.targets(|target| match target {
                Target::Bucket => of_bucket,
                Target::Object => of_objects,
                Target::Other => false,
            })
        });
        if !acts {
            return Err(format!("action {name:?} does not apply to any resource of the statement"));
        }
    }
    Ok(())
}

struct Elements<'a> {
    members: &'a [(String, Json)],
    at: &'a str,
}

impl<'a> Elements<'a> {
    fn get(&self, name: &str) -> Option<&'a Json> {
        self.members.iter().find(|(other, _)| other == name).map(|(_, json)| json)
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    fn needed(&self, name: &str) -> Result<&'a Json, MalformedPolicy> {
        self.get(name).ok_or_else(|| {
            MalformedPolicy::new(Flaw::Elements, self.at, format!("element {name} is missing"))
        })
    }

    /// The one of two elements that is there.
    fn one_of<'n>(&self, name: &'n str, not: &'n str) -> Result<(&'n str, &'a Json, bool), MalformedPolicy> {
        match (self.get(name), self.get(not)) {
            (Some(json), None) => Ok((name, json, false)),
            (None, Some(json)) => Ok((not, json, true)),
            (None, None) => Err(MalformedPolicy::new(
                Flaw::Elements,
                self.at,
                format!("element {name} or {not} is missing"),
            )),
            (Some(_), Some(_)) => Err(MalformedPolicy::new(
                Flaw::Elements,
                self.at,
                format!("elements {name} and {not} exclude each other"),
            )),
        }
    }

    fn either<'n>(
        &self,
        name: &'n str,
        not: &'n str,
    ) -> Result<(&'n str, Vec<&'a str>, bool), MalformedPolicy> {
        let (name, json, all_but) = self.one_of(name, not)?;
        Ok((name, json.texts(&self.path(name))?, all_but))
    }

    fn resources(&self, rules: Rules<'_>) -> Result<(&'static str, Vec<&'a str>, bool), MalformedPolicy> {
        if !rules.trust {
            return self.either("Resource", "NotResource");
        }
        match ["Resource", "NotResource"].iter().find(|name| self.get(name).is_some()) {
            None => Ok(("Resource", vec!["*"], false)),
            Some(name) => Err(MalformedPolicy::new(
                Flaw::Elements,
                self.path(name),
                "a trust policy names no resource: it is about its role",
            )),
        }
    }

    fn who(&self, effect: Effect, rules: Rules<'_>) -> Result<Who, MalformedPolicy> {
        if rules.bucket.is_none() && !rules.trust {
            return match ["Principal", "NotPrincipal"].iter().find(|name| self.get(name).is_some()) {
                None => Ok(Who::Holder),
                Some(name) => Err(MalformedPolicy::new(
                    Flaw::Elements,
                    self.path(name),
                    "a policy of an identity names no principal",
                )),
            };
        }
        let (name, json, all_but) = self.one_of("Principal", "NotPrincipal")?;
        let at = self.path(name);
        if all_but && effect == Effect::Allow {
            let message = "must not be used with Allow: name the principals that are allowed";
            return Err(MalformedPolicy::new(Flaw::Principal, at, message));
        }
        let principals = principals(json, &at)?;
        Ok(if all_but { Who::AllBut(principals) } else { Who::Named(principals) })
    }

    fn conditions(&self, rules: Rules<'_>) -> Result<Vec<Condition>, MalformedPolicy> {
        let (at, mut conditions) = (self.path("Condition"), Vec::new());
        let Some(json) = self.get("Condition") else { return Ok(conditions) };
        for (operator, keys) in json.object(&at)? {
            let at = format!("{at}.{operator}");
            for (key, values) in keys.object(&at)? {
                let at = format!("{at}.{key}");
                let refused = |why| MalformedPolicy::new(Flaw::Condition, &*at, why);
                let values = values.one_or_more(&at)?;
                let values = values.iter().map(|value| plain(value, &at)).collect::<Result<Vec<_>, _>>()?;
                let condition = Condition::parse(operator, key, &values, rules.variables).map_err(refused)?;
                if keys::is_unsupported(condition.key()) {
                    return Err(refused(
                        "this condition key is not supported: there are no networks of AWS".into(),
                    ));
                }
                if rules.bucket.is_some() && !keys::is_known(condition.key()) {
                    return Err(refused("S3 has no such condition key".into()));
                }
                conditions.push(condition);
            }
        }
        Ok(conditions)
    }
}

fn principals(json: &Json, at: &str) -> Result<Principals, MalformedPolicy> {
    let refused = |at: &str, why| MalformedPolicy::new(Flaw::Principal, at, why);
    if let Json::Text(text) = json {
        return match text.as_str() {
            "*" => Ok(Principals::everyone()),
            other => Err(refused(at, format!("must be \"*\" or an object such as {{\"AWS\": {other:?}}}"))),
        };
    }
    let kinds = json.object(at)?;
    if kinds.is_empty() {
        return Err(refused(at, "names no principal".into()));
    }
    let mut principals = Principals::none();
    for (kind, values) in kinds {
        let at = format!("{at}.{kind}");
        for value in values.texts(&at)? {
            principals.add(kind, value).map_err(|why| refused(&at, why))?;
        }
    }
    Ok(principals)
}

/// A value of a condition. JSON's numbers and booleans count as their texts.
fn plain<'a>(json: &'a Json, at: &str) -> Result<Cow<'a, str>, MalformedPolicy> {
    match json {
        Json::Text(text) => Ok(text.into()),
        Json::Number(text) => Ok(text.into()),
        Json::Bool(value) => Ok(if *value { "true" } else { "false" }.into()),
        Json::Null | Json::List(_) | Json::Object(_) => {
            let message =
                format!("must have strings, numbers or booleans as values, but has {}", json.kind());
            Err(MalformedPolicy::new(Flaw::Type, at, message))
        }
    }
}
