//! `causeway hash`.

use super::{
    Access,
    out::{Out, printable},
};
use crate::{
    ends::{Failure, Named, Place},
    verbs::{self, Depth, Digest, Entries, Entry},
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Read this object, or with --recursive everything below this folder, and print digests of the bytes.
    end: String,
    /// Print the MD5. Without any of these options it is the SHA-256.
    #[arg(long)]
    md5: bool,
    /// Print the SHA-256.
    #[arg(long)]
    sha256: bool,
    /// Print the CRC-64/NVME.
    #[arg(long)]
    crc64nvme: bool,
    /// Read everything below.
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, md5, sha256, crc64nvme, recursive, access } = arguments;
    let asked = [(*md5, Digest::Md5), (*sha256, Digest::Sha256), (*crc64nvme, Digest::Crc64Nvme)];
    let mut wanted: Vec<Digest> =
        asked.into_iter().filter_map(|(asked, digest)| asked.then_some(digest)).collect();
    if wanted.is_empty() {
        wanted.push(Digest::Sha256);
    }
    if !recursive {
        return access.on(end, Named::Object, async |place, out| one(place, &place.path, &wanted, out).await);
    }
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, Depth::All).await?;
        while let Some(entry) = entries.next().await? {
            if let Entry::Object { key, .. } = &entry
                && !key.ends_with('/')
            {
                one(place, key, &wanted, out).await?;
            }
        }
        Ok(())
    })
}

async fn one(place: &Place, key: &str, wanted: &[Digest], out: &mut Out) -> Result<(), Failure> {
    let reading = verbs::open(place, &place.key_of(key)?, 0, None).await?;
    let sums = verbs::digests(reading, wanted).await?;
    for (digest, sum) in wanted.iter().zip(&sums) {
        let (hex, base64) = (hex::encode(sum.bytes()), sum.to_base64());
        // With several digests, a line says which one it has.
        let kind = if wanted.len() > 1 { format!("{} ", digest.name()) } else { String::new() };
        let value =
            || -> Value { json!({ "key": key, "digest": digest.name(), "hex": hex, "base64": base64 }) };
        out.entry(|| format!("{kind}{hex}  {}", printable(key)), value)?;
    }
    Ok(())
}
