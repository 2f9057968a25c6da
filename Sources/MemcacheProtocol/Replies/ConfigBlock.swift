/// What is asked of a node that may know its cluster: `config get ...`
package enum ConfigSubject: String, Sendable {
    /// ElastiCache's: hosts and ports.
    case cluster
    /// Sojourn's: all that a definition says to clients.
    case definition

    package var request: String { "config get \(rawValue)\r\n" }

    /// The largest body that is told and taken. Of a list of nodes: 10,000 with names of 45 bytes.
    package var byteCountMax: Int { self == .cluster ? 1 << 20 : 4 << 20 }
}

/// The answer, in the frame of ElastiCache's auto-discovery:
///
///     CONFIG cluster 0 <byte count>              CONFIG definition 0 <byte count>
///     <version>                                  <version>
///     <host>|<address>|<port> <host>| ...        <a definition, in YAML>
///     <empty line>                               <empty line>
///     END                                        END
package struct ConfigBlock: Equatable, Sendable {
    package let subject: ConfigSubject
    /// Grows with each change: clients take what has a higher one, and nothing else.
    package let version: Int
    /// All that stands below the version.
    package let text: String

    /// What a node sends although it is none.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let description: String
        package init(_ description: String) { self.description = description }
    }

    package init(_ subject: ConfigSubject, version: Int, text: String) {
        self.subject = subject
        self.version = version
        self.text = text
    }

    /// - Parameter body: what stands between the first line and `END`.
    package init(_ subject: ConfigSubject, body: String) throws(Mistake) {
        let line = body.prefix { !$0.isNewline }
        guard let version = Int(line), version >= 0 else { throw Mistake("no version number") }
        self.init(subject, version: version, text: String(body.dropFirst(line.count + 1)))
    }

    package var body: String { "\(version)\n\(text)" }

    package var reply: String {
        "CONFIG \(subject.rawValue) 0 \(body.utf8.count)\r\n\(body)\(Self.end)"
    }

    /// The data block's end, and the last line.
    private static let end = "\r\nEND\r\n"
    private static let lineByteCountMax = 256

    /// Reads a reply from bytes that arrive in parts: nothing while some are missing.
    ///
    /// - Returns: the block, and where what follows begins.
    package static func read(
        _ subject: ConfigSubject, from input: Span<UInt8>
    ) throws(Mistake) -> (block: ConfigBlock, next: Int)? {
        let end: ReplyLineEnd?
        do {
            end = try ReplyLineEnd(of: input, byteCountMax: lineByteCountMax)
        } catch {
            throw Mistake("an endless line")
        }
        guard let end else { return nil }
        let line = input.extracting(first: end.lineByteCount).text
        let head = "CONFIG \(subject.rawValue) 0 "
        guard line.hasPrefix(head) else { throw Mistake("answers '\(line.prefix(60))'") }
        guard let count = Int(line.dropFirst(head.count)),
            (0...subject.byteCountMax).contains(count)
        else { throw Mistake("no length in '\(line.prefix(60))'") }
        let next = end.next + count + Self.end.utf8.count
        guard input.count >= next else { return nil }
        guard input.extracting((end.next + count)..<next).text == Self.end else {
            throw Mistake("a configuration without its end")
        }
        let body = input.extracting(end.next..<(end.next + count)).text
        return (try ConfigBlock(subject, body: body), next)
    }
}

/// A node as `config get cluster` lists it: `host|address|port`. Clients connect to the host or to the
/// address, whichever they prefer.
package struct ListedNode: Equatable, Sendable {
    package let host: String
    package let address: String
    package let port: Int

    /// Of a node that is known by one name.
    package init(host: String, port: Int) {
        self.host = host
        address = host
        self.port = port
    }

    package init?(_ word: Substring) {
        let parts = word.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 3, let port = Int(parts[2]) else { return nil }
        host = String(parts[0])
        address = String(parts[1])
        self.port = port
    }

    package var word: String { "\(host)|\(address)|\(port)" }

    /// Whether the host ends neither the line nor its own field.
    package var isListable: Bool {
        !host.isEmpty
            && host.utf8.allSatisfy {
                $0 > UInt8(ascii: " ") && $0 != 0x7f && $0 != UInt8(ascii: "|")
            }
    }
}
