/// Lines and replies, over whatever the bytes go.
extension TranscriptPeer {
    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Takes what comes until it ends with `end`, and hands it over.
    package func receive(until end: String) throws -> String {
        let end = Array(end.utf8)
        while !received.suffix(end.count).elementsEqual(end) {
            guard try receive(isUnexpected: false) else {
                throw Trouble("expected \(printable(end)), received \(printable(received))")
            }
        }
        defer { received.removeAll() }
        return String(decoding: received, as: UTF8.self)
    }

    /// Takes what comes until the node hangs up.
    package func receiveUntilEnd() throws -> String {
        while try receive(isUnexpected: false) {}
        guard hasEnded else { throw Trouble("not closed, received \(printable(received))") }
        defer { received.removeAll() }
        return String(decoding: received, as: UTF8.self)
    }

    package func ask(_ line: String, until end: String = "\r\n") throws -> String {
        try send(line + "\r\n")
        return try receive(until: end)
    }
}
