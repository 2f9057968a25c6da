/// A host as people write it, alone or with numbers behind it: `host`, `host:11211`, `[v6]:11211:2`. An IPv6
/// address that has none needs no brackets.
package struct HostText {
    /// Without brackets; it may be empty.
    package let host: Substring
    /// What stands behind each colon that is not the host's.
    package let rest: [Substring]

    /// Nil when something else than a colon follows the brackets.
    package init?(_ text: String) {
        let behind: Substring
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            behind = text[text.index(after: end)...]
        } else if text.firstRange(of: "::") != nil || text.count(where: { $0 == ":" }) >= 7 {
            host = text[...]
            behind = ""
        } else {
            host = text.prefix { $0 != ":" }
            behind = text[host.endIndex...]
        }
        // Before the first colon there is nothing.
        let parts = behind.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.first?.isEmpty ?? true else { return nil }
        rest = Array(parts.dropFirst())
    }
}
