//! Makes OpenDAL's operators from options. This is the only list of its types; each belongs to a cargo
//! feature.

use ::opendal::{Error, ErrorKind, Operator, Result};

type Options = Vec<(String, String)>;

macro_rules! operators {
    ($($feature:literal $name:literal $type:ident)+) => {
        /// Returns an operator that has no HTTP client yet.
        pub(super) fn operator(service: &str, options: Options) -> Result<Operator> {
            match service {
                $(#[cfg(feature = $feature)] $name => Operator::from_iter::<::opendal::services::$type>(options),)+
                _ => {
                    drop(options);
                    let why = format!(
                        "this binary was built without '{service}': build it with --features service-{service}"
                    );
                    Err(Error::new(ErrorKind::ConfigInvalid, why))
                }
            }
        }
    };
}

operators! {
    "service-azdls" "azdls" Azdls
    "service-azfile" "azfile" Azfile
    "service-b2" "b2" B2
    "service-cos" "cos" Cos
    "service-github" "github" Github
    "service-ipfs" "ipfs" Ipfs
    "service-obs" "obs" Obs
    "service-oss" "oss" Oss
    "service-pcloud" "pcloud" Pcloud
    "service-seafile" "seafile" Seafile
    "service-swift" "swift" Swift
    "service-tos" "tos" Tos
    "service-upyun" "upyun" Upyun
    "service-vercel-blob" "vercel-blob" VercelBlob
    "service-webhdfs" "webhdfs" Webhdfs
    "service-yandex-disk" "yandex-disk" YandexDisk
}
