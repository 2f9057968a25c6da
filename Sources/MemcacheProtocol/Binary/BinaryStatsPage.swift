extension StatsPage {
    /// The page that a binary `stat` names by its key; nothing for one that is unknown.
    ///
    /// `cachedump` is none of them, as in memcached.
    package init?(binaryName name: Span<UInt8>) {
        let whole = ByteRange(start: 0, count: name.count)
        func isName(_ text: StaticString) -> Bool { name.holds(text, at: whole) }
        if name.isEmpty {
            self = .general
        } else if isName("settings") {
            self = .settings
        } else if isName("items") {
            self = .items
        } else if isName("slabs") {
            self = .slabs
        } else if isName("conns") {
            self = .connections
        } else if isName("locks") {
            self = .locks
        } else if isName("requests") {
            self = .requests
        } else if isName("latency") {
            self = .latency
        } else if isName("sessions") {
            self = .sessions
        } else if isName("clients") {
            self = .clients
        } else if isName("restarts") {
            self = .restarts
        } else if isName("top") {
            self = .top(.all)
        } else if let question = Self.topQuestion(name) {
            self = .top(.one(question))
        } else if isName("sizes") {
            self = .sizes
        } else if isName("reset") {
            self = .reset
        } else if isName("detail on") {
            self = .detail(.on)
        } else if isName("detail off") {
            self = .detail(.off)
        } else if isName("detail dump") {
            self = .detail(.dump)
        } else {
            return nil
        }
    }

    private static func topQuestion(_ name: Span<UInt8>) -> TopWord? {
        name.withUnsafeBytes { name in
            TopWord.allCases.first { name.elementsEqual("top \($0.rawValue)".utf8) }
        }
    }
}
