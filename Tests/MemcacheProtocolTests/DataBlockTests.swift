import TestSupport
import Testing

@testable import MemcacheProtocol

private func isWellEnded(_ block: DataBlock, _ input: [UInt8]) -> Bool {
    block.isWellEnded(in: input.span)
}

@Suite(.timeLimit(.minutes(10)))
struct DataBlockTests {
    @Test("A block is counted: what the value holds does not matter")
    func counted() {
        let input = Array("set k 0 0 4\r\n\r\n\r\n\r\nget k\r\n".utf8)
        let block = DataBlock(start: 13, valueByteCount: 4)
        #expect(block.valueEnd == 17 && block.next == 19)
        #expect(isWellEnded(block, input))
        #expect(String(decoding: input[block.next...], as: UTF8.self) == "get k\r\n")
    }

    @Test(
        "Without CR LF behind the value a block is none", arguments: ["\r\r", "\n\n", "ab", "\n\r"])
    func badEnd(end: String) {
        let input = Array("abc\(end)".utf8)
        #expect(!isWellEnded(DataBlock(start: 0, valueByteCount: 3), input))
    }

    @Test("An empty value has a block, too")
    func empty() {
        let block = DataBlock(start: 0, valueByteCount: 0)
        #expect(block.next == DataBlock.byteCount(ofValue: 0))
        #expect(isWellEnded(block, Array("\r\n".utf8)))
    }
}
