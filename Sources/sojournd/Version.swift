/// What `--version` shows and `stats` calls `sojourn_version`.
enum Version {
    static let own = "0.1.0"
}
