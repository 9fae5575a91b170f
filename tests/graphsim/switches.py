"""Each point where the contract is uncertain, and what can be made tight.
name: (default, what it means). N and S numbers are the contract's."""

SWITCHES = {
    "delta_expand": ("yes", "N4 $expand in message delta: yes, ignored, "
                     "refused, plain (only without the $)"),
    "delta_rows": ("full", "N5 rows of a read-state change: full, partial"),
    "bool_strings": ("no", "S11 isRead as a string: yes, no"),
    "removed_reason": ("deleted", "N7 deleted, changed"),
    "delta_page_max": ("0", "N8 largest page whatever is asked, 0 = 1000"),
    "delta_empty_pages": ("no", "S10 an empty page with nextLink first"),
    "delta_empty_last": ("no", "S10 the deltaLink comes on an empty page"),
    "delta_duplicates": ("no", "S12 rows twice in a round"),
    "delta_replay": ("no", "S12 what is already known comes again"),
    "delta_order": ("log", "S12 order of a round: log, reversed"),
    "list_empty_pages": ("no", "S6 a filtered list begins with an empty page "
                         "with nextLink: yes, no"),
    "folder_counts": ("yes", "N17 a folder whose counts alone have changed is "
                      "in the folder delta: yes, no"),
    "sync_lost": ("410 SyncStateNotFound", "S9 status and code of a token "
                  "that is unknown, foreign or aged out"),
    "sync_tokens": ("2000", "S15 sync tokens kept for a mailbox"),
    "lag": ("0", "S16 seconds until lists and delta show a change"),
    "folder_exists_status": ("409", "N20 409, 400"),
    "delete_target": ("recoverableitemsdeletions", "N1 or deleteditems"),
    "permanent_delete": ("yes", "permanentDelete: yes, missing (national "
                         "clouds)"),
    "move_recoverable": ("yes", "move to recoverableitemsdeletions: yes, "
                         "refused"),
    "move_same": ("yes", "move to the folder it is in: yes, refused"),
    "mime_to_folder": ("refused", "N3 MIME to mailFolders/{id}/messages: "
                       "refused, yes"),
    "oversize": ("413", "N13 413, 200 (and nothing happens)"),
    "transport_headers": ("yes", "N15 0x007D at create: yes, refused"),
    "readonly_create": ("ignored", "N16 read-only keys in a create: ignored, "
                        "refused"),
    "patch_received": ("refused", "N23 PATCH of content of what is no "
                       "draft: refused, ignored, accepted"),
    "conflicts": ("0", "S21 every Nth PATCH without If-Match gets 412"),
    "refresh_rotation": ("keep", "old refresh token: keep, revoke"),
    "token_seconds": ("random", "life of an access token; random: 60 to 90 "
                      "minutes"),
    "expires_as_string": ("no", "expires_in as a string"),
    "concurrency": ("4", "S27 requests in flight"),
    "concurrency_scope": ("mailbox", "N9 mailbox, app"),
    "window_requests": ("10000", "S28 requests in 10 minutes"),
    "window_bytes": ("150000000", "S28 bytes written in 5 minutes"),
    "retry_after": ("seconds", "S28 form: seconds, fraction, date, absent"),
    "batch": ("yes", "$batch: yes, missing"),
    "challenge_at": ("gateway", "where claims are demanded of a $batch: "
                     "gateway, workload (each part by itself)"),
    "batch_throttle": ("0", "S31 the last N of a batch get 429, never "
                       "the first"),
    "batch_status": ("200", "N19 of a batch some of whose parts got 429: "
                     "200, 424"),
    "upload_host": ("same", "upload URLs on: same, other"),
    "search": ("yes", "$search: yes, refused"),
    "search_max": ("1000", "N12 results of a $search: 1000, 250"),
    "text_alternative": ("kept", "S19 the plain text beside HTML: kept, "
                         "rewritten"),
    "value_length": ("yes", "S26 Content-Length of $value: yes, no"),
}
