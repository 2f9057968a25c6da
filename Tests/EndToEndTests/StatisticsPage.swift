import TestSupport

/// What a page of `stats` says, by name.
func statisticsPage(_ name: String, _ peer: SocketPeer) throws -> [String: String] {
    var all: [String: String] = [:]
    for line in try peer.ask(name, until: "END\r\n").split(separator: "\r\n") {
        let words = line.split(separator: " ", maxSplits: 2)
        if words[0] == "STAT" { all[String(words[1])] = String(words[2]) }
    }
    return all
}
