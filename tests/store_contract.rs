//! Every driver is tested on every promise of the store contract.

mod contract;
#[path = "contract/exceptions.rs"]
mod exceptions;
#[path = "contract/layers.rs"]
mod layers;
mod support;

use contract::storage::{Beneath, Driver, Replicas, Server, Storage};
use support::files::Quirks;

/// One test per promise, for the `DRIVER` of the surrounding module.
macro_rules! promises {
    ($($area:ident { $($promise:ident)+ })+) => {
        $(mod $area {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                if crate::exceptions::excuses(super::DRIVER, concat!(stringify!($area), "::", stringify!($promise))) {
                    return;
                }
                let mut storage = crate::Storage::open(super::DRIVER).await;
                crate::contract::$area::$promise(&mut storage).await;
            })+
        })+
    };
}

macro_rules! drivers {
    ($($name:ident = $driver:expr;)+) => {
        $(mod $name {
            const DRIVER: crate::Driver = $driver;
            contract_promises!();
        })+
    };
}

macro_rules! contract_promises {
    () => {
        promises! {
            places {
                what_lies_at_a_place_is_told_before_a_bucket_is_made_there
            }
            publishing {
                what_was_put_is_read_back
                an_object_is_visible_only_when_it_is_whole
                what_is_overwritten_stays_until_the_new_is_whole
                a_reader_keeps_the_object_it_began_with_when_it_is_overwritten
                a_reader_keeps_the_object_it_began_with_when_it_is_deleted
                a_body_that_fails_leaves_nothing
                a_body_that_is_not_what_was_announced_leaves_nothing
                a_writer_that_goes_away_leaves_nothing
                an_announced_checksum_is_kept_with_the_object
                the_last_of_many_writers_of_one_key_stands_wholly
                deleting_what_is_not_there_succeeds
                objects_deleted_together_have_each_its_own_outcome
                buckets_of_one_backend_do_not_share_keys
                the_modification_time_of_a_key_does_not_run_backwards
                acknowledged_objects_are_there_after_a_restart
                a_condition_that_fails_leaves_nothing_of_the_body
            }
            cancelling {
                a_put_given_up_leaves_the_old_or_the_new
                a_delete_given_up_leaves_all_or_nothing
                an_update_given_up_leaves_the_old_tags_or_the_new
                a_part_given_up_can_be_sent_again
                a_complete_given_up_can_be_repeated
            }
            conditions {
                of_32_writers_that_want_the_key_absent_one_wins
                a_counter_swapped_by_its_etag_loses_no_step
                a_key_taken_while_the_body_came_is_not_absent
                a_key_emptied_while_the_body_came_is_absent
                an_object_replaced_while_the_body_came_does_not_match
                write_conditions_look_at_the_object_that_is_there
                a_conditional_delete_removes_only_what_it_means
                of_many_conditional_deletes_one_wins
                read_conditions_hold_for_head_and_get
                a_conditional_put_of_nothing_is_a_put
                conditions_that_come_with_the_end_of_a_body_are_those_that_count
            }
            reading {
                a_range_yields_exactly_its_bytes
                a_range_beyond_the_end_is_refused_with_the_size
                part_one_of_a_plain_object_is_the_whole
                many_read_at_once_and_each_gets_its_own
            }
            listing {
                every_listing_is_what_the_documentation_says
                a_page_is_truncated_only_if_there_is_more
                an_entry_says_what_head_says
                what_is_acknowledged_is_in_the_next_listing
                deletes_between_pages_neither_skip_nor_repeat
                keys_written_while_one_lists_do_not_disturb_the_others
            }
            keys {
                a_name_of_any_length_goes_beside_a_folder_of_that_name
                strange_keys_are_keys_like_any_other
                strange_keys_stay_apart_when_they_come_in_any_order
                neighbours_come_and_go_without_disturbing_each_other
                uploads_to_strange_keys_end_as_any_other
            }
            attributes {
                every_attribute_is_kept
                the_largest_attributes_s3_allows_are_kept
                tags_and_acl_change_without_a_new_object
                the_longest_acl_is_kept_or_refused
                the_owner_of_an_object_is_kept_by_changes_and_shown_by_most_listings
                an_upload_makes_an_object_of_its_owner_and_says_so
                an_update_of_a_multipart_object_keeps_its_parts
                an_update_of_nothing_is_refused
                changes_of_tags_and_acl_at_once_both_stand
            }
            copying {
                a_copy_has_the_bytes_metadata_and_tags_of_its_source_but_neither_acl_nor_owner
                directives_replace_metadata_and_tags_each_by_itself
                a_copy_onto_itself_changes_its_metadata_alone
                a_copy_goes_from_bucket_to_bucket
                a_copy_goes_from_backend_to_backend
                a_copy_keeps_or_changes_the_checksum_algorithm
                a_copy_of_a_multipart_object_is_a_plain_one
                conditions_of_a_copy_look_at_source_and_target
                a_copy_of_what_is_being_overwritten_is_one_or_the_other
                a_part_is_copied_whole_or_by_range
                a_part_copy_beyond_its_source_is_refused
                a_copied_part_carries_the_checksum_its_upload_wants
            }
            multipart {
                parts_make_an_object_in_order_of_their_numbers
                part_numbers_may_have_gaps
                parts_may_have_any_sizes
                a_part_sent_again_replaces_the_first
                parts_that_are_not_named_are_left_out
                parts_come_at_once
                of_one_part_sent_many_times_at_once_one_stands_wholly
                the_key_holds_what_it_held_until_the_upload_completes
                uploads_of_one_key_do_not_disturb_each_other
                an_aborted_upload_is_gone
                an_upload_belongs_to_its_key
                a_repeated_complete_is_answered_alike
                of_many_completes_at_once_all_are_answered_alike
                a_complete_that_is_refused_leaves_the_upload_as_it_was
                conditions_of_a_complete_look_at_the_moment_of_publishing
                of_many_uploads_that_want_the_key_absent_one_wins
                a_part_whose_body_fails_leaves_the_one_before
                a_part_on_its_way_when_the_upload_ends_changes_nothing
                a_part_that_is_sent_again_while_it_hangs_is_the_one_that_counts
                an_upload_goes_on_after_a_restart
                a_part_number_the_object_does_not_have_is_refused
            }
            upload_checksums {
                the_whole_has_the_checksum_its_upload_promised
                an_upload_that_promised_nothing_sums_up_all_the_same
                parts_of_an_upload_that_named_no_algorithm_may_bring_their_own
                an_upload_that_named_its_algorithm_takes_no_other
            }
            versions {
                a_version_that_is_not_there_is_no_such_version
                null_is_the_current_object
                a_delete_says_what_it_did_as_far_as_the_storage_tells
            }
            upload_listing {
                parts_are_listed_in_order_page_by_page
                uploads_are_listed_by_key_and_time_page_by_page
                uploads_that_have_ended_are_not_listed
            }
        }
    };
}

drivers! {
    memory = crate::Driver::Memory;
    faulty_without_faults = crate::Driver::Faulty;
    limited = crate::Driver::Limited;
    fs_strict = crate::Driver::Fs(causeway::store::Durability::Strict);
    s3_causeway = crate::Driver::S3(crate::Server::Causeway);
    s3_moto = crate::Driver::S3(crate::Server::Moto);
    gcs_fake = crate::Driver::Gcs;
    azblob = crate::Driver::Azblob;
    files_of_seconds = crate::Driver::Tree(crate::Quirks::Sftp);
    sftp = crate::Driver::Sftp;
    webdav = crate::Driver::Webdav;
    drive_fake = crate::Driver::Drive;
    onedrive_fake = crate::Driver::Onedrive;
    dropbox_fake = crate::Driver::Dropbox;
    ftp = crate::Driver::Ftp;
    b2_fake = crate::Driver::B2;
    swift = crate::Driver::Swift;
    files_with_revisions = crate::Driver::Tree(crate::Quirks::Drive);
    files_of_folded_names = crate::Driver::Tree(crate::Quirks::Folding);
    cached_memory = crate::Driver::Cached(crate::Beneath::Memory);
    cached_fs = crate::Driver::Cached(crate::Beneath::Fs);
    cached_fs_bytes = crate::Driver::Cached(crate::Beneath::FsBytes);
    local = crate::Driver::Local;
    fs_relaxed = crate::Driver::Fs(causeway::store::Durability::Relaxed);
    replicas_alike = crate::Driver::Replicated(crate::Replicas::Alike);
    replicas_unlike = crate::Driver::Replicated(crate::Replicas::Unlike);
}
