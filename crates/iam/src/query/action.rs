//! What is known of an action before it is called: its service, its permission, its parameters. The table of
//! actions and their handlers is in `actions`.

/// The services whose query APIs are served. The names are those in the scope of a signature, and the
/// prefixes of actions in policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Iam,
    Sts,
}

impl Service {
    pub const ALL: [Self; 2] = [Self::Iam, Self::Sts];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    /// The version of the API.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }

    /// The namespace of replies.
    pub(crate) fn namespace(self) -> String {
        format!("https://{}.amazonaws.com/doc/{}/", self.as_str(), self.version())
    }
}

/// Who may call an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The account, and members whose policies allow it.
    Read,
    /// Like `Read`, but no account that may only read.
    Write,
    /// Whoever signs the request.
    Signed,
    /// The handler decides by a trust policy.
    Trusted,
}

/// What an action is about: the resource of its permission, and for some handlers the kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// Nothing that has a name.
    All,
    /// Without `UserName`: the caller.
    User,
    /// By `AccessKeyId`: the user that has the access key.
    AccessKey,
    Group,
    Role,
    /// By `PolicyArn`.
    Policy,
    /// By `PolicyName`, to be made.
    NewPolicy,
    /// By `OpenIDConnectProviderArn`.
    Provider,
    /// By `Url`, to be made.
    NewProvider,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Action {
    pub(crate) service: Service,
    pub(crate) name: &'static str,
    /// As policies name it: `iam:CreateUser`.
    pub(crate) permission: &'static str,
    pub(crate) access: Access,
    pub(crate) on: On,
    /// The parameters beside `Action` and `Version`. One that ends with a dot stands for a list.
    pub(crate) parameters: &'static [&'static str],
}

impl Action {
    pub(crate) fn knows(&self, parameter: &str) -> bool {
        matches!(parameter, "Action" | "Version")
            || self.parameters.iter().any(|known| {
                known.strip_suffix('.').map_or(*known == parameter, |list| {
                    parameter.strip_prefix(list).is_some_and(|rest| rest.starts_with(".member."))
                })
            })
    }
}
