//! The promises that a storage cannot keep, with the reason: documented limits of the storage, and wrong
//! answers of emulators.
//!
//! A row excuses one driver from one promise. A promise that a driver could keep and does not is a defect,
//! not a row.

use crate::contract::storage::{Driver, Server};

struct Excused {
    driver: Driver,
    promises: &'static [&'static str],
    reason: &'static str,
}

const EXCUSED: &[Excused] = &[
    Excused {
        driver: Driver::Local,
        promises: &[
            "keys::a_name_of_any_length_goes_beside_a_folder_of_that_name",
            "keys::neighbours_come_and_go_without_disturbing_each_other",
            "keys::strange_keys_are_keys_like_any_other",
            "keys::strange_keys_stay_apart_when_they_come_in_any_order",
            "keys::uploads_to_strange_keys_end_as_any_other",
            "listing::every_listing_is_what_the_documentation_says",
            "upload_listing::uploads_are_listed_by_key_and_time_page_by_page",
        ],
        reason: "a key of a local directory is a path: a file and a folder cannot have the same name",
    },
    Excused {
        driver: Driver::Local,
        promises: &[
            "attributes::an_update_of_a_multipart_object_keeps_its_parts",
            "attributes::changes_of_tags_and_acl_at_once_both_stand",
            "attributes::every_attribute_is_kept",
            "attributes::an_upload_makes_an_object_of_its_owner_and_says_so",
            "attributes::tags_and_acl_change_without_a_new_object",
            "attributes::the_owner_of_an_object_is_kept_by_changes_and_shown_by_most_listings",
            "attributes::the_largest_attributes_s3_allows_are_kept",
            "attributes::the_longest_acl_is_kept_or_refused",
            "cancelling::an_update_given_up_leaves_the_old_tags_or_the_new",
            "copying::a_copied_part_carries_the_checksum_its_upload_wants",
            "copying::a_copy_goes_from_backend_to_backend",
            "copying::a_copy_goes_from_bucket_to_bucket",
            "copying::a_copy_onto_itself_changes_its_metadata_alone",
            "copying::a_copy_has_the_bytes_metadata_and_tags_of_its_source_but_neither_acl_nor_owner",
            "copying::a_copy_keeps_or_changes_the_checksum_algorithm",
            "copying::directives_replace_metadata_and_tags_each_by_itself",
            "multipart::a_part_number_the_object_does_not_have_is_refused",
            "multipart::an_upload_goes_on_after_a_restart",
            "multipart::the_key_holds_what_it_held_until_the_upload_completes",
            "publishing::acknowledged_objects_are_there_after_a_restart",
            "publishing::an_announced_checksum_is_kept_with_the_object",
            "upload_checksums::an_upload_that_promised_nothing_sums_up_all_the_same",
            "upload_checksums::parts_of_an_upload_that_named_no_algorithm_may_bring_their_own",
            "upload_checksums::the_whole_has_the_checksum_its_upload_promised",
            "versions::a_version_that_is_not_there_is_no_such_version",
        ],
        reason: "a local directory keeps bytes and times alone: no attributes, checksums or parts",
    },
    Excused {
        driver: Driver::Local,
        promises: &[
            "cancelling::a_put_given_up_leaves_the_old_or_the_new",
            "conditions::conditions_that_come_with_the_end_of_a_body_are_those_that_count",
            "conditions::of_32_writers_that_want_the_key_absent_one_wins",
            "copying::a_copy_of_a_multipart_object_is_a_plain_one",
            "copying::a_copy_of_what_is_being_overwritten_is_one_or_the_other",
            "copying::conditions_of_a_copy_look_at_source_and_target",
            "multipart::conditions_of_a_complete_look_at_the_moment_of_publishing",
            "publishing::the_last_of_many_writers_of_one_key_stands_wholly",
            "publishing::what_is_overwritten_stays_until_the_new_is_whole",
            "publishing::what_was_put_is_read_back",
        ],
        reason: "the promise is held, but its test tells objects by the MD5 of their ETags, and a local file has none",
    },
    Excused {
        driver: Driver::Local,
        promises: &["multipart::a_repeated_complete_is_answered_alike"],
        reason: "no process but the one that completed an upload remembers it",
    },
    Excused {
        driver: Driver::B2,
        promises: &["keys::a_name_of_any_length_goes_beside_a_folder_of_that_name"],
        reason: "B2 takes 250 bytes between slashes: a name of that length has no room for the mark of an escaped one",
    },
    Excused {
        driver: Driver::Gcs,
        promises: &["attributes::the_largest_attributes_s3_allows_are_kept"],
        reason: "GCS keeps 8 KiB of metadata, which hold no ten tags of 256 emoji: 400",
    },
    Excused {
        driver: Driver::Gcs,
        promises: &["multipart::a_part_that_is_sent_again_while_it_hangs_is_the_one_that_counts"],
        reason: "of two parts of one number that are on their way, GCS does not tell which came last: the second waits for the first",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &[
            "attributes::an_update_of_a_multipart_object_keeps_its_parts",
            "multipart::a_part_number_the_object_does_not_have_is_refused",
            "multipart::a_part_sent_again_replaces_the_first",
            "multipart::part_numbers_may_have_gaps",
            "multipart::parts_make_an_object_in_order_of_their_numbers",
            "multipart::parts_may_have_any_sizes",
            "multipart::parts_that_are_not_named_are_left_out",
        ],
        reason: "moto does not tell the parts of an object",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &["attributes::an_update_of_nothing_is_refused"],
        reason: "moto answers 500 to tags for what is not there",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &[
            "copying::a_copied_part_carries_the_checksum_its_upload_wants",
            "copying::a_copy_keeps_or_changes_the_checksum_algorithm",
            "copying::a_copy_of_a_multipart_object_is_a_plain_one",
            "publishing::an_announced_checksum_is_kept_with_the_object",
            "upload_checksums::an_upload_that_promised_nothing_sums_up_all_the_same",
            "upload_checksums::parts_of_an_upload_that_named_no_algorithm_may_bring_their_own",
            "upload_checksums::the_whole_has_the_checksum_its_upload_promised",
        ],
        reason: "moto keeps some checksums, copies wrong ones, and computes none",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &[
            "copying::a_copy_has_the_bytes_metadata_and_tags_of_its_source_but_neither_acl_nor_owner",
            "copying::directives_replace_metadata_and_tags_each_by_itself",
        ],
        reason: "moto copies website redirects",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &["cancelling::a_part_given_up_can_be_sent_again"],
        reason: "moto answers 500 now and then when a part is sent while one of its number is being cut short",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &["keys::strange_keys_are_keys_like_any_other"],
        reason: "moto's HTTP framework answers 404 to line ends in paths",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &[
            "multipart::conditions_of_a_complete_look_at_the_moment_of_publishing",
            "multipart::of_many_uploads_that_want_the_key_absent_one_wins",
        ],
        reason: "moto ignores If-Match of a Complete, so both conditions are refused: 501",
    },
    Excused {
        driver: Driver::S3(Server::Moto),
        promises: &["upload_listing::parts_are_listed_in_order_page_by_page"],
        reason: "moto leaves parts out of pages",
    },
];

/// Whether this promise is not tested on this driver; prints the reason.
pub fn excuses(driver: Driver, promise: &str) -> bool {
    let excused = EXCUSED.iter().find(|row| row.driver == driver && row.promises.contains(&promise));
    if let Some(row) = excused {
        println!("excused: {}", row.reason);
    }
    excused.is_some()
}
