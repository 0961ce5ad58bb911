//! Runs every promise of `Files` on every storage of files in folders, and tests what only one storage does.

#[path = "../support/apache.rs"]
mod apache;
#[path = "../support/clouds/mod.rs"]
mod clouds;
#[path = "../support/dav.rs"]
mod dav;
mod drive;
#[path = "../support/dropbox/mod.rs"]
mod dropbox;
mod dropboxes;
mod ftp;
#[path = "../support/ftpd.rs"]
mod ftpd;
#[path = "../support/gdrive/mod.rs"]
mod gdrive;
mod graph;
#[path = "../support/onedrive/mod.rs"]
mod onedrive;
mod opendal;
mod promises;
#[path = "../support/proxy/mod.rs"]
mod proxy;
mod sftp;
#[path = "../support/silent.rs"]
mod silent;
#[path = "../support/sshd.rs"]
mod sshd;
mod storage;
#[path = "../support/upstream.rs"]
mod upstream;
mod webdav;

use storage::{Kind, Storage, onedrive_library};

/// One test per promise, for the storage `KIND` of the surrounding module.
macro_rules! promises {
    ($($area:ident { $($promise:ident)+ })+) => {
        $(mod $area {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                if crate::storage::excuses(super::KIND, stringify!($promise)) {
                    return;
                }
                let storage = crate::Storage::open(super::KIND).await;
                crate::promises::$area::$promise(storage.files.clone()).await;
            })+
        })+
    };
}

macro_rules! kinds {
    ($($name:ident = $kind:expr;)+) => {
        $(mod $name {
            const KIND: crate::Kind = $kind;
            promises! {
                publishing {
                    what_was_written_is_read
                    a_draft_is_seen_by_nobody_before_it_is_published
                    readers_see_the_old_file_or_the_new_and_nothing_else
                    a_reader_keeps_the_file_it_opened_or_fails
                    of_32_drafts_that_want_a_free_name_one_gets_it
                    a_draft_that_found_its_name_taken_can_have_another
                    a_folder_is_not_replaced_by_a_file
                    a_file_on_the_way_is_told
                    what_publishing_says_of_a_file_is_said_everywhere
                    folders_that_come_and_go_lose_no_file
                    a_file_and_a_folder_may_take_turns_with_a_name
                }
                drafts {
                    a_draft_that_is_discarded_leaves_nothing
                    a_draft_that_is_dropped_is_removed
                    tidying_removes_the_drafts_of_one_instance
                    a_copy_is_what_was_expected_or_there_is_none
                    drafts_of_unknown_length_that_wait_for_more_leave_a_place_to_others
                }
                reading {
                    a_range_yields_exactly_its_bytes
                    what_is_no_file_is_not_opened
                    what_was_asked_for_ahead_may_be_anything
                    a_big_file_streams_both_ways
                    readers_that_go_away_leave_the_storage_usable
                    many_read_and_write_at_once
                }
                listing {
                    all_of_a_large_folder_is_listed_once
                    a_folder_that_is_not_there_is_empty
                    a_listing_says_what_looking_says
                    odd_names_are_names
                }
                folders {
                    a_folder_that_holds_something_stays
                    folders_are_made_by_many_at_once
                    removing_is_for_files
                    a_file_gets_another_name
                }
                slots {
                    parts_that_come_in_any_order_are_one_file
                    slots_are_named_read_and_removed
                }
            }
        })+
    };
}

kinds! {
    sftp_of_openssh = crate::Kind::Sftp;
    sftp_with_few_extensions = crate::Kind::PlainSftp;
    webdav_of_apache = crate::Kind::Apache;
    webdav_of_wsgidav = crate::Kind::Wsgidav;
    webdav_of_rclone = crate::Kind::Rclone;
    my_drive = crate::Kind::Drive;
    shared_drive = crate::Kind::SharedDrive;
    ftp_of_pyftpdlib = crate::Kind::Ftp;
    ftps_of_pyftpdlib = crate::Kind::Ftps;
    ftp_without_extensions = crate::Kind::OldFtp;
    ftp_of_rclone = crate::Kind::FtpOfRclone;
    ftp_of_vsftpd = crate::Kind::FtpOfVsftpd;
    onedrive_of_a_person = crate::Kind::Onedrive;
    sharepoint_library = crate::Kind::Library;
    dropbox_of_a_person = crate::Kind::Dropbox;
    b2_fake = crate::Kind::B2;
    pcloud_fake = crate::Kind::Pcloud;
    swift = crate::Kind::Swift;
    yandex_disk_fake = crate::Kind::Yandex;
}
