# What run-gpu-tests and run-gpu-bench have in common: says what is found on the machine, and ends
# with status 3 if it has no GPU that can be used. To be read in by a script that has set $bundle.

# Which device: KROTON_TARGET=cuda:1 chooses the second.
case ${KROTON_TARGET:-} in
  cuda*) ;;
  *) KROTON_TARGET=cuda ;;
esac
export KROTON_TARGET

"$bundle/tools/kroton/kroton" doctor
"$bundle/bench/bench" --check-gpu || exit 3
