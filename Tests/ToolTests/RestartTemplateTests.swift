import HashRing
import TestSupport
import Testing

@testable import sojourn

@Suite(.timeLimit(.minutes(10)))
struct RestartTemplateTests {
    @Test("A node's name and host are words of their own to the shell, whatever is in them")
    func quoting() throws {
        let template = try RestartTemplate("ssh {host} restart {name}; { echo {port} {x}; }")
        let node = Node(name: "a", host: "10.0.0.1", port: 11_211)
        #expect(
            template.command(for: node) == "ssh 10.0.0.1 restart a; { echo 11211 {x}; }")
        let hosts = ["$(reboot)", "it's", "-a;b", "a b", "", "::1", "a\nb", "*", "\\"]
        for host in hosts {
            let node = Node(name: "a", host: host, port: 1)
            let command = try RestartTemplate("printf '<%s>' {host}").command(for: node)
            let result = try Program.run("/bin/sh", ["-c", command])
            #expect(result.output == "<\(host)>")
        }
    }
}
