# Fetches with the tool that the path names; the answer is standard output.
ca=/run/secrets/peers/ca.crt
case $PATH_INFO in
    /curl) exec curl -sS --fail --cacert $ca https://web.test/answer ;;
    /curl6) exec curl -6 -sS --fail http://web.test/answer ;;
    /wget) exec wget -q -O - --ca-certificate $ca https://web.test/answer ;;
    /git) git clone -q http://web.test/code.git 2>&1 && git -C code log --format=%s | head -1 ;;
    *) exit 1 ;;
esac
