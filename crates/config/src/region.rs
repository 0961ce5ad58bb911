//! The region of the gateway, which the settings may name or leave open.

use super::Server;

/// The region of clients that have none configured.
const USUAL: &str = "us-east-1";

impl Server {
    /// Returns the region that replies report.
    pub fn region_name(&self) -> &str {
        self.region.as_deref().unwrap_or(USUAL)
    }

    /// Returns the only region that requests may be signed for; `None` if any region is accepted.
    pub fn only_region(&self) -> Option<&str> {
        let any = self.accept_any_region.unwrap_or(self.region.is_none());
        (!any).then(|| self.region_name())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Settings, Sources};

    #[test]
    fn a_region_that_somebody_configured_is_the_only_one_unless_the_settings_say_otherwise() {
        let of = |region: Option<&str>, any: Option<bool>| {
            let mut server = Settings::load(&Sources::default()).expect("defaults").server;
            (server.region, server.accept_any_region) = (region.map(str::to_owned), any);
            (server.region_name().to_owned(), server.only_region().map(str::to_owned))
        };
        let (usual, north) = ("us-east-1".to_owned(), "eu-north-1".to_owned());
        assert_eq!(of(None, None), (usual.clone(), None));
        assert_eq!(of(None, Some(false)), (usual.clone(), Some(usual)));
        assert_eq!(of(Some("eu-north-1"), None), (north.clone(), Some(north.clone())));
        assert_eq!(of(Some("eu-north-1"), Some(true)), (north, None));
    }
}
