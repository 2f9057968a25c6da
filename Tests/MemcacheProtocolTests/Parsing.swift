@testable import MemcacheProtocol

/// The command of a line, whose end is left out.
func parse(_ line: String, knowsDebugtime: Bool = false) -> Command {
    parse(Array(line.utf8), knowsDebugtime: knowsDebugtime)
}

func parse(_ line: [UInt8], knowsDebugtime: Bool = false) -> Command {
    CommandParser.parse(line.span, knowsDebugtime: knowsDebugtime)
}

/// The text at a place of a line.
func text(_ range: ByteRange, of line: String) -> String {
    String(decoding: Array(line.utf8)[range.range], as: UTF8.self)
}

func times(_ count: Int, _ text: String = "k") -> String {
    String(repeating: text, count: count)
}

func failure(
    _ reply: ErrorReply, _ recovery: Failure.Recovery = .nextLine, isQuiet: Bool = false
) -> Command {
    .failure(Failure(reply, recovery: recovery, isQuiet: isQuiet))
}

struct NoMetaCommand: Error {
    var line: String
}

private func verb(of line: String) throws -> MetaVerb {
    guard case .meta(let verb) = parse(line) else { throw NoMetaCommand(line: line) }
    return verb
}

/// The request of a meta command's line, whose end is left out.
func metaRequest(_ line: String) throws -> MetaRequest {
    let bytes = Array(line.utf8)
    return try MetaRequest(bytes.span, try verb(of: line))
}

/// What is wrong with a meta command's line; nothing if it is a request.
func metaMistake(_ line: String) throws -> Failure? {
    let bytes = Array(line.utf8)
    let verb = try verb(of: line)
    do throws(Failure) {
        _ = try MetaRequest(bytes.span, verb)
        return nil
    } catch {
        return error
    }
}
