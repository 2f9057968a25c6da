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
