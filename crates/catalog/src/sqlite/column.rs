//! How values are stored in columns, and read back. A value that cannot be parsed is an error, never a guess.

use crate::{
    catalog::Generation,
    model::{
        Attributes, BucketName, CanonicalId, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag,
        ObjectChecksum, ObjectKey, PartNumber, Role, TenantId, Timestamp, UploadId,
    },
};
use rusqlite::{
    Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef},
};

/// One of the catalog's values as a column: the driver's traits are not implemented on the types of `model`.
pub(super) struct Column<T>(pub(super) T);

/// Reads column `at` of a row as a value.
pub(super) fn get<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    Column<T>: FromSql,
{
    row.get::<_, Column<T>>(at).map(|column| column.0)
}

/// Like [`get`], for a column that may be NULL.
pub(super) fn get_option<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>>
where
    Column<T>: FromSql,
{
    Ok(row.get::<_, Option<Column<T>>>(at)?.map(|column| column.0))
}

fn bad(what: &'static str) -> FromSqlError {
    FromSqlError::Other(what.into())
}

fn owned<'a>(value: impl Into<Value>) -> rusqlite::Result<ToSqlOutput<'a>> {
    Ok(ToSqlOutput::Owned(value.into()))
}

impl ToSql for Column<&ObjectKey> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().as_bytes().into())
    }
}

impl FromSql for Column<ObjectKey> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = std::str::from_utf8(value.as_blob()?).map_err(|_| bad("a key that is not UTF-8"))?;
        ObjectKey::new(text).map(Self).map_err(|_| bad("a key of an impossible length"))
    }
}

impl FromSql for Column<CanonicalId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        CanonicalId::parse(value.as_str()?).map(Self).ok_or_else(|| bad("an impossible id of an account"))
    }
}

impl ToSql for Column<u64> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        owned(i64::try_from(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?)
    }
}

/// The order of a version in `deletions`; -1 means the row that LIST shows for a key.
impl ToSql for Column<Option<u64>> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            Some(order) => owned(
                i64::try_from(order)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?,
            ),
            None => owned(-1),
        }
    }
}

impl ToSql for Column<Generation> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        owned(i64::try_from(self.0.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?)
    }
}

impl FromSql for Column<Generation> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Column::<u64>::column_result(value).map(|number| Self(Generation(number.0)))
    }
}

impl FromSql for Column<u64> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?).map(Self).map_err(|_| bad("a negative size"))
    }
}

impl ToSql for Column<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        owned(self.0.millis())
    }
}

impl FromSql for Column<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Timestamp::from_millis(value.as_i64()?)))
    }
}

/// A tag that is a plain MD5, as most are, takes 16 bytes; any other is stored as text.
impl ToSql for Column<&ETag> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        // Upper-case hex also parses as an MD5, but would be read back in lower case.
        match self.0.as_md5().filter(|_| !self.0.as_str().bytes().any(|digit| digit.is_ascii_uppercase())) {
            Some(md5) => owned(md5.to_vec()),
            None => Ok(self.0.as_str().into()),
        }
    }
}

impl FromSql for Column<ETag> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(md5) => {
                Ok(Self(ETag::from_md5(md5.try_into().map_err(|_| bad("an ETag of a wrong length"))?)))
            }
            text => Ok(Self(ETag::opaque(text.as_str()?))),
        }
    }
}

impl ToSql for Column<Role> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

impl FromSql for Column<Role> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Role::parse(value.as_str()?).map(Self).ok_or_else(|| bad("an unknown role"))
    }
}

/// These numbers are stored: never change one, only add.
const ALGORITHMS: [(ChecksumAlgorithm, i64); 10] = [
    (ChecksumAlgorithm::Crc32, 1),
    (ChecksumAlgorithm::Crc32c, 2),
    (ChecksumAlgorithm::Crc64Nvme, 3),
    (ChecksumAlgorithm::Sha1, 4),
    (ChecksumAlgorithm::Sha256, 5),
    (ChecksumAlgorithm::Sha512, 6),
    (ChecksumAlgorithm::Md5, 7),
    (ChecksumAlgorithm::Xxhash64, 8),
    (ChecksumAlgorithm::Xxhash3, 9),
    (ChecksumAlgorithm::Xxhash128, 10),
];
const KINDS: [(ChecksumKind, i64); 2] = [(ChecksumKind::FullObject, 0), (ChecksumKind::Composite, 16)];

impl ToSql for Column<ChecksumSpec> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let algorithm = ALGORITHMS
            .iter()
            .find(|(algorithm, _)| *algorithm == self.0.algorithm)
            .map_or(0, |(_, code)| *code);
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.0.kind).map_or(0, |(_, code)| *code);
        owned(algorithm + kind)
    }
}

impl FromSql for Column<ChecksumSpec> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        let kind = KINDS.iter().find(|(_, kind)| *kind == code & !15);
        let algorithm = ALGORITHMS.iter().find(|(_, algorithm)| *algorithm == code & 15);
        match (algorithm, kind) {
            (Some((algorithm, _)), Some((kind, _))) => {
                Ok(Self(ChecksumSpec { algorithm: *algorithm, kind: *kind }))
            }
            _ => Err(bad("an unknown checksum")),
        }
    }
}

/// A checksum is stored as `CRC32:` and the value in base64.
impl ToSql for Column<&Checksum> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        owned(format!("{}:{}", self.0.algorithm().as_str(), self.0.to_base64()))
    }
}

impl FromSql for Column<Checksum> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let checksum = value.as_str()?.split_once(':').and_then(|(algorithm, value)| {
            let algorithm = ChecksumAlgorithm::parse(algorithm)?;
            Checksum::from_base64(algorithm, value)
        });
        checksum.map(Self).ok_or_else(|| bad("a malformed checksum"))
    }
}

impl FromSql for Column<UploadId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        UploadId::parse(value.as_str()?).map(Self).ok_or_else(|| bad("a malformed upload id"))
    }
}

impl FromSql for Column<PartNumber> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = u16::try_from(value.as_i64()?).ok().and_then(PartNumber::new);
        number.map(Self).ok_or_else(|| bad("an impossible part number"))
    }
}

impl FromSql for Column<BucketName> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        BucketName::parse(value.as_str()?).map(Self).map_err(|_| bad("an invalid bucket name"))
    }
}

impl FromSql for Column<TenantId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        TenantId::parse(value.as_str()?).map(Self).ok_or_else(|| bad("a malformed id of a tenant"))
    }
}

/// Types whose serialised form is a stored format already are stored as JSON.
macro_rules! stored_as_json {
    ($($type:ty),*) => {$(
        impl ToSql for Column<&$type> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                owned(serde_json::to_string(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?)
            }
        }

        impl FromSql for Column<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                serde_json::from_str(value.as_str()?).map(Self).map_err(|error| FromSqlError::Other(error.into()))
            }
        }
    )*};
}
stored_as_json!(Attributes, ObjectChecksum);

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// Returns the storage class of a value, and the value read back.
    fn stored<T>(value: &dyn ToSql) -> (String, T)
    where
        Column<T>: FromSql,
    {
        let db = Connection::open_in_memory().expect("memory");
        db.query_row("SELECT typeof(?1), ?1", [value], |row| Ok((row.get(0)?, get(row, 1)?)))
            .expect("reads back")
    }

    #[test]
    fn an_etag_that_is_an_md5_is_a_blob_and_any_other_comes_back_letter_for_letter() {
        for (tag, class) in [
            (ETag::from_md5([0xab; 16]), "blob"),
            (ETag::multipart([0xab; 16], 3), "text"),
            (ETag::opaque("ABABABABABABABABABABABABABABABAB"), "text"),
            (ETag::opaque(""), "text"),
        ] {
            assert_eq!(stored::<ETag>(&Column(&tag)), (class.to_owned(), tag));
        }
    }

    #[test]
    fn every_checksum_spec_has_a_number_of_its_own() {
        for (algorithm, _) in ALGORITHMS {
            for (kind, _) in KINDS {
                let spec = ChecksumSpec { algorithm, kind };
                assert_eq!(stored::<ChecksumSpec>(&Column(spec)).1, spec);
            }
        }
        let unknown = Connection::open_in_memory()
            .expect("memory")
            .query_row("SELECT 11", [], |row| get::<ChecksumSpec>(row, 0));
        assert!(unknown.is_err());
    }

    #[test]
    fn every_algorithm_is_in_the_table() {
        assert!(
            ChecksumAlgorithm::ALL
                .iter()
                .all(|algorithm| ALGORITHMS.iter().any(|(known, _)| known == algorithm))
        );
    }
}
