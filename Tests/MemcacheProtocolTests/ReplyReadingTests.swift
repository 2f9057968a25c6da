import MemcacheProtocol
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ReplyLineEndTests {
    private func end(_ text: String, byteCountMax: Int = 10) throws -> ReplyLineEnd? {
        let bytes = Array(text.utf8)
        return try ReplyLineEnd(of: bytes.span, byteCountMax: byteCountMax)
    }

    @Test("A line ends with CR LF, or with LF alone, which can be told")
    func ends() throws {
        let end = try #require(try self.end("ab\r\ncd\r\n"))
        #expect(end.lineByteCount == 2 && end.next == 4 && end.hasReturn)
        let short = try #require(try self.end("ab\ncd\r\n"))
        #expect(short.lineByteCount == 2 && short.next == 3 && !short.hasReturn)
        let empty = try #require(try self.end("\n"))
        #expect(empty.lineByteCount == 0 && !empty.hasReturn)
        #expect(try self.end("ab\r") == nil)
        #expect(try self.end("") == nil)
    }

    @Test("A line has a bound, whether its end is there or not", arguments: [-1, 0, 1])
    func bound(excess: Int) throws {
        let line = String(repeating: "x", count: 10 + excess)
        for text in [line + "\r\n", line + "\n"] {
            #expect(((try? end(text)) != nil) == (excess <= 0), "\(text)")
        }
        #expect(throws: ReplyLineEnd.Endless.self) { try end(String(repeating: "x", count: 12)) }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct StatisticLineTests {
    private func read(_ text: String) -> StatisticLine? {
        let bytes = Array(text.utf8)
        return StatisticLine(bytes.span)
    }

    @Test("A statistic is read as it was written, with spaces in its value or without any value")
    func backAndForth() {
        for value in ["1", "", "a b  c", "ä"] {
            let statistic = StatisticLine(name: "10:addr", value: value)
            #expect(statistic.line == "STAT 10:addr \(value)\r\n")
            #expect(read(String(statistic.line.dropLast())) == statistic)
        }
        #expect(read("STAT name") == StatisticLine(name: "name", value: ""))
    }

    @Test(
        "Another line is no statistic", arguments: ["", "END", "STAT", "STAT ", "STATS a 1", "a"])
    func others(text: String) {
        #expect(read(text) == nil)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ConfigBlockTests {
    @Test("A client reads a block as a node wrote it, and knows where it ends")
    func backAndForth() throws {
        for subject in [ConfigSubject.cluster, .definition] {
            let block = ConfigBlock(subject, version: 7, text: "a|a|1 b|b|2\n")
            let bytes = Array((block.reply + "more").utf8)
            let read = try #require(try ConfigBlock.read(subject, from: bytes.span))
            #expect(read.block == block)
            #expect(read.next == bytes.count - 4)
            for count in 0..<read.next {
                let part = bytes.span.extracting(first: count)
                #expect(try ConfigBlock.read(subject, from: part) == nil, "\(count) bytes")
            }
        }
    }

    @Test("A body has a bound", arguments: [-1, 0, 1])
    func bound(excess: Int) {
        let count = ConfigSubject.cluster.byteCountMax + excess
        let bytes = Array("CONFIG cluster 0 \(count)\r\n".utf8)
        var mistake: ConfigBlock.Mistake?
        do throws(ConfigBlock.Mistake) {
            _ = try ConfigBlock.read(.cluster, from: bytes.span)
        } catch {
            mistake = error
        }
        let wanted = ConfigBlock.Mistake("no length in 'CONFIG cluster 0 \(count)'")
        #expect(mistake == (excess > 0 ? wanted : nil))
    }

    @Test("A listed node is read as it was written; one that would end its field is not listable")
    func listedNode() {
        let node = ListedNode(host: "cache-2", port: 11_211)
        #expect(node.word == "cache-2|cache-2|11211")
        #expect(ListedNode(node.word[...]) == node)
        #expect(node.isListable)
        #expect(!ListedNode(host: "a|b", port: 1).isListable)
        #expect(ListedNode("a|b") == nil && ListedNode("a|b|c") == nil)
    }
}
