import HashRing
import MemcacheProtocol
import NIOCore
import NIOTestUtils
import Testing

@testable import SessionClient

private func answer(_ body: String) -> ByteBuffer {
    ByteBuffer(string: "CONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
}

private func decode(_ text: String) throws -> [ClusterConfiguration] {
    let processor = NIOSingleStepByteToMessageProcessor(ClusterConfigurationDecoder())
    var found: [ClusterConfiguration] = []
    try processor.process(buffer: ByteBuffer(string: text)) { found.append($0) }
    try processor.finishProcessing(seenEOF: true) { found.append($0) }
    return found
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterConfigurationDecoderTests {
    @Test("Any cut of the answer gives the same configuration, by NIO's verifier")
    func verified() throws {
        let bodies = ["1\na|b|1\n", "22\na||1 c|d|2\n\r\n"]
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: try bodies.map {
                (answer($0), [try ClusterConfiguration(.cluster, body: $0)])
            },
            decoderFactory: { ClusterConfigurationDecoder() })
    }

    @Test("Any cut of an answer with a definition gives the same one")
    func verifiedDefinition() throws {
        let body = "5\nplacement: {strategy: jump}\nnodes: [{host: a}]\n\r\n"
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: [
                (
                    ByteBuffer(
                        string: "CONFIG definition 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n"),
                    [try ClusterConfiguration(.definition, body: body)]
                )
            ],
            decoderFactory: { ClusterConfigurationDecoder(subject: .definition) })
    }

    @Test(
        "An answer to another question, or one beyond the bound, is told",
        arguments: [
            "CONFIG cluster 0 8\r\n1\na|b|1\n\r\nEND\r\n", "CONFIG definition 0 4194305\r\n",
            "ERROR\r\n", "SERVER_ERROR no\r\n",
        ])
    func otherAnswers(text: String) {
        let processor = NIOSingleStepByteToMessageProcessor(
            ClusterConfigurationDecoder(subject: .definition))
        #expect(throws: ClusterConfiguration.Mistake.self) {
            try processor.process(buffer: ByteBuffer(string: text)) { _ in }
        }
    }

    @Test(
        "Whatever else a node says is told",
        arguments: [
            "ERROR\r\n", "CONFIG cluster 0 x\r\n", "CONFIG cluster 0 -1\r\n",
            "CONFIG cluster 0 1048577\r\n", "CONFIG cluster 0 8\r\n1\na|b|1\nEND\r\n1234567",
            "CONFIG cluster 0 8\r\n1\na|b|1\n", "CONFIG cluster 0 0\r\n\r\nEND\r\n", "CONFIG",
        ])
    func mistakes(text: String) {
        #expect(throws: ClusterConfiguration.Mistake.self) { try decode(text) }
    }

    @Test("A line without an end is given up")
    func endlessLine() {
        #expect(throws: ClusterConfiguration.Mistake.self) {
            try decode(String(repeating: "x", count: 300))
        }
    }
}
