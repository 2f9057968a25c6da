import Glibc
import TestSupport
import Testing

/// What is in cluster/monitoring, by Prometheus' own program and by what nodes really show.
@Suite(.timeLimit(.minutes(10)))
struct MonitoringTests {
    private static let folder =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        + "/cluster/monitoring"

    @Test(
        "Prometheus takes what it is to ask, and each alarm is silent at its limit and not past it",
        arguments: [
            ["check", "config", "prometheus.yaml"], ["check", "rules", "alerts.yaml"],
            ["test", "rules", "alerts_test.yaml"],
        ])
    func promtool(words: [String]) throws {
        let promtool = "/usr/bin/promtool"
        guard access(promtool, X_OK) == 0 else {
            throw Trouble("\(promtool) is not installed (Debian package prometheus)")
        }
        let result = try Program.run(
            promtool, words.dropLast() + [Self.folder + "/" + words[words.count - 1]])
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        #expect(result.output.contains("SUCCESS"))
    }

    private func metrics(_ port: Int) throws -> Set<String> {
        let peer = try SocketPeer(.tcp(port: UInt16(port)))
        try peer.send(Array("GET /metrics HTTP/1.0\r\n\r\n".utf8))
        try wait(for: "the metrics") {
            _ = peer.receive(milliseconds: 50)
            return peer.hasEnded
        }
        let lines = String(decoding: peer.received, as: UTF8.self).split(separator: "\n")
        return Set(
            lines.filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) })
    }

    /// What names of metrics a text has.
    private func names(in text: String) -> Set<String> {
        Set(
            text.matches(of: /sojourn_[a-z_0-9]+/).map {
                let name = String($0.output)
                return name.hasSuffix("_bucket") ? String(name.dropLast("_bucket".count)) : name
            })
    }

    @Test("Alarms and dashboard ask for nothing that no node has")
    func names() throws {
        let certificates = try TestCertificates()
        try certificates.makeAuthority("ca")
        try certificates.make("node", signedBy: "ca")
        let users = try certificates.write("app:secret\n", to: "users")
        let ports = try freePorts(3)
        let alone = try TLSNode(
            certificates, flags: ["-Y", users, "--admin", "127.0.0.1:\(ports[0])"])
        let (ca, cert, key) = (
            certificates.path("ca.pem"), certificates.path("node.pem"),
            certificates.path("node.key")
        )
        let members = try MemberCluster(
            count: 2,
            peers: "peers: {tls: {ca: \(ca), cert: \(cert), key: \(key), server_name: localhost}}",
            flags: ["--supervise"],
            nodeFlags: { ["--admin", "127.0.0.1:\(ports[$0 == "a" ? 1 : 2])"] })
        // How long requests take is told of those that there were.
        #expect(try members.connect(0).ask("set k 0 0 2\r\nhi") == "STORED\r\n")
        var known = try metrics(ports[0])
        #expect(known.contains("sojourn_ssl_cert_left_seconds"), "\(known.sorted())")
        try wait(for: "the skew of clocks") {
            try metrics(ports[1]).contains("sojourn_clock_skew_seconds")
        }
        known.formUnion(try metrics(ports[1]))
        withExtendedLifetime((alone, members)) {}
        for file in ["alerts.yaml", "grafana.json"] {
            let text = try #require(contents(of: Self.folder + "/" + file))
            let asked = names(in: text)
            #expect(asked.count > 10)
            #expect(asked.subtracting(known).isEmpty, "\(file)")
        }
    }

    @Test("Every alarm says how urgent it is, what was found and what to do")
    func alarms() throws {
        let text = try #require(contents(of: Self.folder + "/alerts.yaml"))
        let page = try #require(contents(of: Self.folder + "/README.md"))
        let alarms = text.split(separator: "- alert: ").dropFirst()
        #expect(alarms.count == 20)
        for alarm in alarms {
            let name = try #require(alarm.split(separator: "\n").first)
            let severity = alarm.contains("severity: page") ? "page" : "ticket"
            #expect(alarm.contains("severity: \(severity)}"))
            #expect(alarm.contains("summary: \"") && alarm.contains("description: \""))
            #expect(page.contains("| `\(name)` | \(severity) |"), "\(name)")
            let test = try #require(contents(of: Self.folder + "/alerts_test.yaml"))
            #expect(test.contains("alertname=\"\(name)\""), "\(name)")
        }
    }

    @Test("The dashboard is JSON of the shape that Grafana imports, and each panel says what to do")
    func dashboard() throws {
        let check = """
            import json, sys
            board = json.load(open(sys.argv[1]))
            assert board["schemaVersion"] >= 36 and board["uid"] and board["title"]
            assert {v["name"] for v in board["templating"]["list"]} == {"datasource", "job", "instance", "space"}
            ids, cells = [], set()
            for panel in board["panels"]:
                ids.append(panel["id"])
                assert panel["type"] in ("stat", "timeseries") and panel["title"] and panel["description"]
                assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
                assert [t["refId"] for t in panel["targets"]] == list("ABCDEF")[:len(panel["targets"])] != []
                assert all(t["expr"] and t["legendFormat"] for t in panel["targets"])
                steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
                assert steps[0]["value"] is None and len(steps) > 1 or panel["type"] == "timeseries"
                place = panel["gridPos"]
                own = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                       for y in range(place["y"], place["y"] + place["h"])}
                assert not own & cells and place["x"] + place["w"] <= 24, panel["title"]
                cells |= own
            assert len(ids) == len(set(ids)) > 15
            """
        let result = try Program.run(
            "/usr/bin/python3", ["-c", check, Self.folder + "/grafana.json"])
        #expect(result.exit == .status(0), "\(result.errors)")
    }
}
